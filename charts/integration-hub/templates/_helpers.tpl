{{- /* Chart name, shortened to fit a label. */}}
{{- define "integration-hub.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* Name of objects: the release's, with the chart's unless it is in it. */}}
{{- define "integration-hub.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "integration-hub.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "integration-hub.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "integration-hub.serviceAccountName" -}}
{{- default (ternary (include "integration-hub.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{- define "integration-hub.selectorLabels" -}}
app.kubernetes.io/name: {{ include "integration-hub.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "integration-hub.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "integration-hub.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: integration-hub
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "integration-hub.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- /* The hub's ServiceAccount as the subject of a binding. */}}
{{- define "integration-hub.subjects" -}}
- kind: ServiceAccount
  name: {{ include "integration-hub.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- /* Served namespaces as a JSON list: the hub's own and the tenants. */}}
{{- define "integration-hub.served" -}}
{{- concat (list .Release.Namespace) .Values.tenants | uniq | toJson }}
{{- end }}

{{- /* Rules of one role, as generated from the code. Context: dict "root" $ "role" name. */}}
{{- define "integration-hub.rules" -}}
{{- .root.Files.Get (printf "files/rbac/%s.yaml" .role) | fromYamlArray | toYaml }}
{{- end }}
