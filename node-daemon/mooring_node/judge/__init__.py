"""Reads NodeConfigs: a process that the agent starts when there is something to judge, and ends when there is not.

What it takes to judge one (pydantic and the models) is more than the agent's other work weighs, and whatever somebody
writes into a NodeConfig costs this process alone.
"""
