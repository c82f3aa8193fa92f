"""The contract: Mooring's resources as typed, frozen models, and the CRDs made from them."""
