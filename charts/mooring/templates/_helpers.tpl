{{/* The name that the label app.kubernetes.io/name has. */}}
{{- define "mooring.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* What all objects are named after. Short enough for the longest name that is made of it. */}}
{{- define "mooring.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "mooring.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "mooring.operator.fullname" -}}
{{- printf "%s-operator" (include "mooring.fullname" .) -}}
{{- end -}}

{{- define "mooring.node.fullname" -}}
{{- printf "%s-node" (include "mooring.fullname" .) -}}
{{- end -}}

{{- define "mooring.operator.account" -}}
{{- default (include "mooring.operator.fullname" .) .Values.operator.serviceAccount.name -}}
{{- end -}}

{{- define "mooring.node.account" -}}
{{- default (include "mooring.node.fullname" .) .Values.node.serviceAccount.name -}}
{{- end -}}

{{- define "mooring.verify.fullname" -}}
{{- printf "%s-verify" (include "mooring.fullname" .) -}}
{{- end -}}

{{- define "mooring.verify.account" -}}
{{- default (include "mooring.verify.fullname" .) .Values.verify.serviceAccount.name -}}
{{- end -}}

{{/* A pod's token, the API server's authority and the namespace, as kubelet shows them. Not by automount: of a token whose life is
     3607 s, which is what automount asks for, most API servers make one of a year. */}}
{{- define "mooring.apiAccess.volume" -}}
- name: api-access
  projected:
    defaultMode: 0444
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
      - downwardAPI: {items: [{path: namespace, fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}]}
{{- end -}}

{{/* Where every client looks for them. */}}
{{- define "mooring.apiAccess.mount" -}}
- {name: api-access, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- end -}}

{{/* Labels that select pods: they never change, because a selector can't. List: root, component. */}}
{{- define "mooring.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "mooring.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* All labels of an object. List: root, component, more labels... The chart's own can't be written over. */}}
{{- define "mooring.labels" -}}
{{- $root := index . 0 -}}
{{- $own := fromYaml (include "mooring.selector" .) -}}
{{- $_ := set $own "app.kubernetes.io/version" $root.Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "mooring" -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
{{- range append (slice . 2) $root.Values.commonLabels -}}
{{- $own = merge $own (deepCopy (default dict .)) -}}
{{- end -}}
{{- toYaml $own -}}
{{- end -}}

{{/* The line `annotations:` with what is in the given maps and in commonAnnotations; nothing where they are empty. List: root, more annotations... */}}
{{- define "mooring.annotations" -}}
{{- $root := index . 0 -}}
{{- $all := dict -}}
{{- range slice . 1 -}}
{{- $all = merge $all (deepCopy (default dict .)) -}}
{{- end -}}
{{- $all = merge $all (deepCopy (default dict $root.Values.commonAnnotations)) -}}
{{- with $all -}}
annotations: {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* Labels of pods: those that select, the version, and what the values add. List: root, component, more labels. */}}
{{- define "mooring.podLabels" -}}
{{- $root := index . 0 -}}
{{- $own := fromYaml (include "mooring.selector" .) -}}
{{- $_ := set $own "app.kubernetes.io/version" $root.Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "mooring" -}}
{{- toYaml (merge $own (deepCopy (default dict (index . 2))) (deepCopy (default dict $root.Values.commonLabels))) -}}
{{- end -}}

{{/* An image's full name; a digest goes before a tag. List: root, the image's values. */}}
{{- define "mooring.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $name := $image.repository -}}
{{- with $root.Values.image.registry -}}
{{- $name = printf "%s/%s" (trimSuffix "/" .) $name -}}
{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default (printf "v%s" $root.Chart.AppVersion) $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* A duration such as 1m30s, in milliseconds. */}}
{{- define "mooring.milliseconds" -}}
{{- $units := dict "h" 3600000 "m" 60000 "s" 1000 "ms" 1 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|h|m|s)" . -1 -}}
{{- $sum = add $sum (mul (regexFind "^[0-9]+" .) (get $units (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{/* What fits no schema: values that contradict each other. */}}
{{- define "mooring.check" -}}
{{- with .Values.operator.leaderElection -}}
{{- $lease := include "mooring.milliseconds" .leaseDuration | int64 -}}
{{- $deadline := include "mooring.milliseconds" .renewDeadline | int64 -}}
{{- $retry := include "mooring.milliseconds" .retryPeriod | int64 -}}
{{- if not (and (gt $lease $deadline) (gt $deadline $retry)) -}}
{{- fail (printf "operator.leaderElection: leaseDuration %s, renewDeadline %s and retryPeriod %s must be each longer than the next" .leaseDuration .renewDeadline .retryPeriod) -}}
{{- end -}}
{{- end -}}
{{- include "mooring.checkAccounts" . -}}
{{- if and .Values.podMonitor.enabled .Values.serviceMonitor.enabled -}}
{{- fail "podMonitor.enabled and serviceMonitor.enabled are both true: each daemon would be scraped twice, and each sum over them doubled; set one of them to false" -}}
{{- end -}}
{{- if and .Values.node.scripts .Values.node.scriptsConfigMap -}}
{{- fail "node.scripts and node.scriptsConfigMap are both set: there is one folder of scripts; empty one of them" -}}
{{- end -}}
{{- if and (or .Values.podMonitor.enabled .Values.serviceMonitor.enabled) (not .Values.node.metrics.enabled) -}}
{{- fail "podMonitor.enabled or serviceMonitor.enabled is true, and node.metrics.enabled is false: there is nothing to scrape; set node.metrics.enabled to true" -}}
{{- end -}}
{{- end -}}

{{/* Three accounts: each right would be everybody's, and the admission policy, which goes by the daemons' account, would judge the operator too. */}}
{{- define "mooring.checkAccounts" -}}
{{- $known := dict -}}
{{- range $who := list "operator" "node" "verify" -}}
{{- $account := include (printf "mooring.%s.account" $who) $ -}}
{{- with get $known $account -}}
{{- fail (printf "%s.serviceAccount.name and %s.serviceAccount.name are both %s: each would have the rights of both; give them different names" . $who $account) -}}
{{- end -}}
{{- $_ := set $known $account $who -}}
{{- end -}}
{{- end -}}
