"""Where etcd, the Kubernetes servers and kubectl are: the rule of scripts/cluster-tools, which builds them."""

import os
from collections.abc import Mapping
from pathlib import Path

from mooring_lab.rights import LabError

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
"""A folder of ready programs, by the convention of envtest; when it is set, the servers must be there."""
CACHE_VARIABLE = "MOORING_CLUSTER_TOOLS"
"""Where to keep what is built, instead of .cache/cluster-tools."""
SERVERS = ("etcd", "kube-apiserver", "kube-controller-manager")

_ROOT = Path(__file__).parents[3]


def find(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The program or file called `name`, as scripts/cluster-tools has it; LabError names the remedy."""
    assets = environ.get(ASSETS_VARIABLE)
    if assets:
        found = Path(assets) / name
        if os.access(found, os.X_OK):
            return found.resolve()
        if name in SERVERS:
            raise LabError(f"{ASSETS_VARIABLE}={assets} has no {name}; add it, or unset the variable and build it here")
    found = Path(environ.get(CACHE_VARIABLE) or _ROOT / ".cache" / "cluster-tools") / name
    if not os.access(found, os.R_OK if found.suffix == ".yaml" else os.X_OK):
        raise LabError(f"{name} is missing ({found}); build it once with: make cluster-tools")
    return found.resolve()
