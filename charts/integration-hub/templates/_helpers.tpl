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

{{- /* Labels that select the pods of one Deployment. Context: dict "root" $ "component" name. */}}
{{- define "integration-hub.componentLabels" -}}
{{ include "integration-hub.selectorLabels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- /* The Deployments as a JSON list: one that plays every role, or one for each role. */}}
{{- define "integration-hub.deployments" -}}
{{- $fullname := include "integration-hub.fullname" . }}
{{- $all := list }}
{{- if not .Values.split }}
{{- $all = append $all (dict "component" "hub" "name" $fullname "roles" .Values.roles "replicas" (int .Values.replicas) "resources" .Values.resources) }}
{{- else }}
{{- range .Values.roles }}
{{- $gateway := eq . "gateway" }}
{{- $all = append $all (dict "component" . "name" (printf "%s-%s" $fullname .) "roles" (list .)
  "replicas" (ternary (ternary $.Values.gateway.autoscaling.minReplicas $.Values.gateway.replicas $.Values.gateway.autoscaling.enabled) $.Values.replicas $gateway | int)
  "autoscaled" (and $gateway $.Values.gateway.autoscaling.enabled)
  "resources" (ternary $.Values.gateway.resources $.Values.resources $gateway)) }}
{{- end }}
{{- end }}
{{- $all | toJson }}
{{- end }}

{{- /* The component whose pods serve the gateway; empty where none does. */}}
{{- define "integration-hub.gatewayComponent" -}}
{{- if has "gateway" .Values.roles }}{{ ternary "gateway" "hub" .Values.split }}{{ end }}
{{- end }}

{{- /* Where browsers and vendors reach the gateway, as far as the values tell. */}}
{{- define "integration-hub.publicUrl" -}}
{{- $ingress := .Values.gateway.ingress }}
{{- $hostnames := .Values.gateway.httpRoute.hostnames }}
{{- if .Values.gateway.publicUrl }}
{{- .Values.gateway.publicUrl }}
{{- else if $ingress.enabled }}
{{- printf "%s://%s" (ternary "https" "http" (not (empty $ingress.tlsSecretName))) $ingress.host }}
{{- else if and .Values.gateway.httpRoute.enabled (not (hasPrefix "*" (first $hostnames))) }}
{{- printf "https://%s" (first $hostnames) }}
{{- end }}
{{- end }}

{{- /* Fails, skips ("") or renders ("yes") an object of the Prometheus operator. Context: dict "root" $ "kind"
"renderMode" "value". */}}
{{- define "integration-hub.monitoring" -}}
{{- $known := .root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .kind) }}
{{- if and (eq .renderMode "failIfMissing") (not $known) }}
{{- fail (printf "metrics.%s: this cluster has no %s; install the Prometheus operator first, or set renderMode to skipIfMissing" .value .kind) }}
{{- end }}
{{- if or $known (eq .renderMode "alwaysRender") }}yes{{ end }}
{{- end }}

{{- /* Served namespaces as a JSON list: the hub's own and the tenants. */}}
{{- define "integration-hub.served" -}}
{{- concat (list .Release.Namespace) .Values.tenants | uniq | toJson }}
{{- end }}

{{- /* Rules of one role, as generated from the code. Context: dict "root" $ "role" name. */}}
{{- define "integration-hub.rules" -}}
{{- .root.Files.Get (printf "files/rbac/%s.yaml" .role) | fromYamlArray | toYaml }}
{{- end }}
