"""Values as people set them: each set is rendered, compared with the schemas and tried on a real API server."""

from tests.chart.rendering import Values

DIGEST = "sha256:" + "0123456789abcdef" * 4
SETS: dict[str, Values] = {
    "defaults": {},
    "everything": {
        "commonLabels": {"team": "network"},
        "commonAnnotations": {"example.com/owner": "network"},
        "image": {"registry": "registry.example.com:5000/mirror/", "pullSecrets": [{"name": "registry"}]},
        "operator": {
            "replicas": 3,
            "image": {"digest": DIGEST},
            "podDisruptionBudget": {"maxUnavailable": "50%"},
            "resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
            "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}],
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "Exists"}]}]}}},
            "topologySpreadConstraints": [
                {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway",
                 "labelSelector": {"matchLabels": {"team": "network"}}}
            ],
            "labels": {"tier": "control"},
            "annotations": {"example.com/why": "planning"},
            "podLabels": {"mesh": "off"},
            "podAnnotations": {"example.com/scrape": "true"},
            "extraArgs": ["--resync=10m"],
            "extraEnv": [{"name": "TZ", "value": "UTC"}],
            "extraVolumes": [{"name": "more", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
            "serviceAccount": {"annotations": {"example.com/role": "operator"}},
        },
        "node": {
            "image": {"tag": "main"},
            "scripts": {"check-disk": "#!/usr/bin/python3\nprint('ok')\n", "notify.py": "pass"},
            "extraCapabilities": ["KILL"],
            "preflight": {"enabled": True},
            "showInterfaces": ["br0", "eth*"],
            "hideInterfaces": ["storage*"],
            "seLinuxOptions": {"type": "spc_t"},
            "appArmorProfile": {"type": "Unconfined"},
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "edge", "operator": "Exists"}]}]}}},
            "labels": {"tier": "data"},
            "podLabels": {"mesh": "off"},
            "podAnnotations": {"example.com/scrape": "true"},
            "extraArgs": ["--hide-interface=wg0"],
            "extraEnv": [{"name": "KUBERNETES_SERVICE_HOST", "value": "192.0.2.10"}],
            "extraVolumes": [{"name": "more", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
        },
        "networkPolicy": {
            "apiServerPorts": [6443],
            "apiServerCIDRs": ["192.0.2.0/24", "2001:db8::/64"],
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        },
        "resourceQuota": {"enabled": True},
        "podMonitor": {
            "enabled": True,
            "interval": "5s",
            "scrapeTimeout": "4s",
            "labels": {"release": "prometheus"},
            "relabelings": [{"targetLabel": "cluster", "replacement": "east", "action": "replace"}],
            "metricRelabelings": [{"sourceLabels": ["__name__"], "regex": "mooring_check_.*", "action": "drop"}],
        },
        "alerts": {"enabled": True, "labels": {"release": "prometheus"}, "runbookURL": "https://runbooks.example.com/"},
        "dashboard": {"enabled": True, "annotations": {"grafana_folder": "Network"}},
    },
    "nothing that can be left out": {
        "rbac": {"create": False},
        "admissionPolicy": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "operator": {
            "serviceAccount": {"create": False, "name": "planner"},
            "podDisruptionBudget": {"enabled": False},
            "priorityClassName": "",
            "nodeSelector": {"kubernetes.io/os": None},
        },
        "node": {
            "serviceAccount": {"create": False, "name": "holder"},
            "sysNet": False,
            "metrics": {"enabled": False},
            "priorityClassName": "",
            "tolerations": [],
            "nodeSelector": {"kubernetes.io/os": None},
        },
        "verify": {"serviceAccount": {"create": False, "name": "tester"}},
    },
    "on the nodes' network": {"operator": {"replicas": 1, "hostNetwork": True, "metrics": {"port": 19651}}},
    "stopped": {"operator": {"replicas": 0}, "node": {"updateStrategy": {"type": "OnDelete"}}},
    "service monitors": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "node": {"updateStrategy": {"maxUnavailable": "20%"}, "metrics": {"host": "127.0.0.1", "port": 19650}},
    },
    "scripts of one's own": {"node": {"scriptsConfigMap": "ours", "realTimePriority": 0, "log": {"format": "text"}}},
    "scripts in an image of one's own": {"node": {"extraCapabilities": ["SETUID", "SETGID", "KILL"]}},
    "preflight alone": {"node": {"preflight": {"enabled": True}, "sysNet": False}},
    "other names": {"nameOverride": "vip", "node": {"metrics": {"host": "2001:db8::1"}}},
    "a long name": {"fullnameOverride": "a" * 40},
    "as a part of another chart": {"global": {"imageRegistry": "ignored"}, "enabled": True},
}  # fmt: skip
#: The same for the chart of the CRDs.
CRD_SETS: dict[str, Values] = {
    "defaults": {},
    "no namespace": {"namespace": {"create": False}},
    "labels": {
        "commonLabels": {"team": "network"},
        "commonAnnotations": {"argocd.argoproj.io/sync-options": "Prune=false,ServerSideApply=true"},
        "namespace": {"name": "network", "labels": {"tier": "system"}, "annotations": {"example.com/owner": "network"}},
    },
}
