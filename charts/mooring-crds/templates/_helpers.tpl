{{/* Labels of an object. List: root, more labels... The chart's own can't be written over. */}}
{{- define "mooring-crds.labels" -}}
{{- $root := index . 0 -}}
{{- $own := dict
      "app.kubernetes.io/name" "mooring"
      "app.kubernetes.io/part-of" "mooring"
      "app.kubernetes.io/version" $root.Chart.AppVersion
      "app.kubernetes.io/managed-by" $root.Release.Service
      "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
{{- range slice . 1 -}}
{{- $own = merge $own (deepCopy (default dict .)) -}}
{{- end -}}
{{- toYaml (merge $own (deepCopy (default dict $root.Values.commonLabels))) -}}
{{- end -}}

{{/* Annotations of an object, which no uninstallation takes away. List: root, more annotations... */}}
{{- define "mooring-crds.annotations" -}}
{{- $root := index . 0 -}}
{{- $own := dict "helm.sh/resource-policy" "keep" -}}
{{- range slice . 1 -}}
{{- $own = merge $own (deepCopy (default dict .)) -}}
{{- end -}}
{{- $own = merge $own (deepCopy (default dict $root.Values.commonAnnotations)) -}}
{{/* Argo CD keeps what bears the policy when the application is deleted, and yet prunes it when it has gone from git. */ -}}
{{- toYaml (merge $own (dict "argocd.argoproj.io/sync-options" "Prune=false")) -}}
{{- end -}}
