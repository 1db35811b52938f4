{{- /* The variables of every process, as a JSON list; secret ones by secretKeyRef alone. */}}
{{- define "integration-hub.environment" -}}
{{- $clusterWide := empty .Values.watchNamespaces }}
{{- $hosts := list }}
{{- range $name, $address := .Values.egress.hosts }}
{{- $hosts = append $hosts (printf "%s=%s" $name $address) }}
{{- end }}
{{- $values := dict
  "SERVICE_ACCOUNT" (include "integration-hub.serviceAccountName" .)
  "WATCH_NAMESPACES" (join "," .Values.watchNamespaces)
  "API_QPS" .Values.apiBudget.qps
  "CATALOGUE_INSTALL" (and .Values.catalogue.install $clusterWide)
  "HEAL_ADMISSION_POLICY" (and .Values.healConsent.admissionPolicy $clusterWide)
  "EGRESS_ALLOW" (join "," .Values.egress.allow)
  "EGRESS_DENY" (join "," .Values.egress.deny)
  "EGRESS_HOSTS" (join "," $hosts)
  "EGRESS_CONNECTIONS" .Values.http.pool.maxConnections
  "EGRESS_KEEPALIVE_SECONDS" .Values.http.pool.keepaliveSeconds
  "ENCRYPTION_MODE" .Values.encryption.mode
  "REQUEST_LOG_DAYS" .Values.store.retention.requestLogDays
  "REQUEST_LOG_ROWS" (int64 .Values.store.retention.requestLogRows)
  "AUDIT_DAYS" .Values.store.retention.auditDays
  "LOG_LEVEL" .Values.log.level
  "LOG_FORMAT" .Values.log.format
}}
{{- if .Values.egress.ca.configMap }}
{{- $values = set $values "EGRESS_CA_FILE" (printf "/etc/integration-hub/ca/%s" .Values.egress.ca.key) }}
{{- end }}
{{- with .Values.vault }}
{{- if .address }}
{{- $values = merge $values (dict
  "VAULT_ADDR" .address
  "VAULT_NAMESPACE" .namespace
  "VAULT_MOUNT" .mount
  "VAULT_PATH" .path
  "VAULT_CACHE_SECONDS" .cacheSeconds
  "VAULT_AUTH" .auth.method
  "VAULT_AUTH_MOUNT" .auth.mount
  "VAULT_ROLE" .auth.role
  "VAULT_AUTH_FILE" "/var/run/secrets/integration-hub/vault/token"
) }}
{{- if .ca.configMap }}
{{- $values = set $values "VAULT_CA_FILE" (printf "/etc/integration-hub/vault-ca/%s" .ca.key) }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq .Values.store.type "postgresql" }}
{{- $values = set $values "STORE_CONNECTIONS" .Values.store.postgresql.connections }}
{{- else }}
{{- $values = set $values "DATA_DIR" "/var/lib/integration-hub" }}
{{- end }}
{{- if has "gateway" .Values.roles }}
{{- $values = merge $values (dict
  "GATEWAY_PORT" 8000
  "PUBLIC_URL" (include "integration-hub.publicUrl" .)
  "GATEWAY_ALLOWED_CIDRS" (join "," .Values.gateway.allowedCidrs)
  "GATEWAY_TRUSTED_PROXIES" (join "," .Values.gateway.trustedProxies)
  "CALLER_REQUESTS_PER_SECOND" .Values.gateway.rateLimit.requestsPerSecond
  "CALLER_BURST" (int64 .Values.gateway.rateLimit.burst)
  "GATEWAY_MAX_BODY_BYTES" (int64 .Values.gateway.body.maxBytes)
  "GATEWAY_MAX_STREAM_BYTES" (int64 .Values.gateway.body.maxStreamBytes)
  "KUBERNETES_ISSUER" .Values.auth.kubernetes.issuer
  "KUBERNETES_JWKS_URL" .Values.auth.kubernetes.jwksUrl
  "OIDC_ISSUER" .Values.auth.passport.issuer
  "OIDC_JWKS_URL" .Values.auth.passport.jwksUrl
  "OIDC_AUDIENCE" .Values.auth.passport.audience
) }}
{{- end }}
{{- if .Values.cache.redisUrl }}
{{- $values = set $values "REDIS_URL" .Values.cache.redisUrl }}
{{- end }}
{{- $env := list
  (dict "name" "INTEGRATION_HUB_NAMESPACE" "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.namespace")))
  (dict "name" "INTEGRATION_HUB_POD_IPS" "valueFrom" (dict "fieldRef" (dict "fieldPath" "status.podIPs")))
}}
{{- range $name, $value := $values }}
{{- $env = append $env (dict "name" (printf "INTEGRATION_HUB_%s" $name) "value" (toString $value)) }}
{{- end }}
{{- $env = concat $env (include "integration-hub.secretEnvironment" . | fromJsonArray) }}
{{- $taken := list }}
{{- range $env }}
{{- $taken = append $taken .name }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if has .name $taken }}
{{- fail (printf "extraEnv: %s is set by another value of the chart, or twice" .name) }}
{{- end }}
{{- $taken = append $taken .name }}
{{- end }}
{{- concat $env .Values.extraEnv | toJson }}
{{- end }}

{{- define "integration-hub.secretEnvironment" -}}
{{- $env := list }}
{{- if eq .Values.encryption.mode "sealed" }}
{{- $secret := .Values.encryption.existingSecret }}
{{- $env = append $env (dict "name" "INTEGRATION_HUB_TOKEN_ENCRYPTION_KEY" "valueFrom" (dict "secretKeyRef" (dict "name" $secret "key" .Values.encryption.key))) }}
{{- $env = append $env (dict "name" "INTEGRATION_HUB_TOKEN_ENCRYPTION_OLD_KEYS" "valueFrom" (dict "secretKeyRef" (dict "name" $secret "key" .Values.encryption.oldKeysKey "optional" true))) }}
{{- end }}
{{- if eq .Values.store.type "postgresql" }}
{{- with .Values.store.postgresql }}
{{- $env = append $env (dict "name" "INTEGRATION_HUB_STORE_URL" "valueFrom" (dict "secretKeyRef" (dict "name" .existingSecret "key" .key))) }}
{{- end }}
{{- end }}
{{- with .Values.cache }}
{{- if .existingSecret }}
{{- $env = append $env (dict "name" "INTEGRATION_HUB_REDIS_URL" "valueFrom" (dict "secretKeyRef" (dict "name" .existingSecret "key" .key))) }}
{{- end }}
{{- end }}
{{- with .Values.auth.staticKeys }}
{{- if and .existingSecret (has "gateway" $.Values.roles) }}
{{- $env = append $env (dict "name" "INTEGRATION_HUB_STATIC_KEYS" "valueFrom" (dict "secretKeyRef" (dict "name" .existingSecret "key" .key))) }}
{{- end }}
{{- end }}
{{- range $name, $client := .Values.oauth.clients }}
{{- $prefix := $name | upper | replace "-" "_" }}
{{- $env = append $env (dict "name" (printf "%s_CLIENT_ID" $prefix) "valueFrom" (dict "secretKeyRef" (dict "name" $client.existingSecret "key" (default "clientId" $client.idKey)))) }}
{{- $env = append $env (dict "name" (printf "%s_CLIENT_SECRET" $prefix) "valueFrom" (dict "secretKeyRef" (dict "name" $client.existingSecret "key" (default "clientSecret" $client.secretKey)))) }}
{{- end }}
{{- $env | toJson }}
{{- end }}
