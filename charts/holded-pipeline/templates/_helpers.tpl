{{- define "holded-pipeline.fullname" -}}
{{- $base := contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) -}}
{{ $base | trunc 50 | trimSuffix "-" }}-operator
{{- end }}

{{- define "holded-pipeline.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "holded-pipeline.fullname" .) }}
{{- end }}

{{- define "holded-pipeline.selector" -}}
app.kubernetes.io/name: holded-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "holded-pipeline.labels" -}}
{{ include "holded-pipeline.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: holded-pipeline
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* (dict "root" $ "name" "worker") */}}
{{- define "holded-pipeline.image" -}}
{{- $image := index .root.Values.images .name -}}
{{ $image.repository }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* What the operator may do in a namespace it serves; nothing else is asked for, and no Secret is listed or watched. */}}
{{- define "holded-pipeline.rules" -}}
# the pipelines: read, put our finalizer on, write the status
- apiGroups: [holded.dev]
  resources: [holdedpipelines]
  verbs: [get, list, watch, patch]
- apiGroups: [holded.dev]
  resources: [holdedpipelines/status]
  verbs: [patch]
# blockOwnerDeletion in owner references asks for it where the API server enforces that
- apiGroups: [holded.dev]
  resources: [holdedpipelines/finalizers]
  verbs: [update]
# what a pipeline owns; watched are the kinds whose changes wake the operator
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services, configmaps]
  verbs: [get, list, watch, create, patch, delete]
# Flink's checkpoints and savepoints
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, create, patch, delete]
- apiGroups: [monitoring.coreos.com]
  resources: [podmonitors]
  verbs: [get, list, create, patch, delete]
# with worker.flink.mode Operator
- apiGroups: [flink.apache.org]
  resources: [flinkdeployments]
  verbs: [get, list, create, patch, delete]
# why pods are not ready
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
# only those that a pipeline names, in its own namespace
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}
