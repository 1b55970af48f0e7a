{{/* Labels of every object; call with (dict "root" $ "component" "kafka"). */}}
{{- define "holded-dev.labels" -}}
{{ include "holded-dev.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: holded-dev
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "holded-dev.selector" -}}
app.kubernetes.io/name: {{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* What Pod Security `restricted` asks of a container, and a root file system nobody can write to. */}}
{{- define "holded-dev.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "holded-dev.claim" -}}
accessModes: [ReadWriteOnce]
{{- with .root.Values.storageClass }}
storageClassName: {{ . }}
{{- end }}
resources:
  requests:
    storage: {{ .storage }}
{{- end }}

{{/* A generated password: what the Secret already holds, else a new one. (dict "root" $ "secret" NAME "key" KEY) */}}
{{- define "holded-dev.password" -}}
{{- $known := lookup "v1" "Secret" .root.Release.Namespace .secret -}}
{{- if and $known (hasKey ($known.data | default dict) .key) -}}
{{- index $known.data .key | b64dec -}}
{{- else -}}
{{- randAlphaNum 32 -}}
{{- end -}}
{{- end }}
