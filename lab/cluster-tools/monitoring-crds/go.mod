module mooring.dev/cluster-tools/monitoring-crds

go 1.26.0

// Nothing of it is built: the definitions of PodMonitor, ServiceMonitor and PrometheusRule are files of the module.
require github.com/prometheus-operator/prometheus-operator v0.85.0
