{{/* What PodMonitor and ServiceMonitor say of a target alike. List: root, the monitor's values. */}}
{{- define "mooring.endpoint" -}}
{{- $monitor := index . 1 -}}
port: metrics
interval: {{ $monitor.interval }}
{{- with $monitor.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
relabelings:
  - {sourceLabels: [__meta_kubernetes_pod_node_name], targetLabel: node, action: replace}
  {{- with $monitor.relabelings }}{{ toYaml . | nindent 2 }}{{ end }}
{{- with $monitor.metricRelabelings }}
metricRelabelings: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
