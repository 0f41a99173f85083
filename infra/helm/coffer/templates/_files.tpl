{{/* Which services read a file of settings, and which of them its secrets too: of events and replication gateways need the names alone. */}}
{{- define "coffer.files" -}}
audit: { services: [gateway], secrets: [gateway] }
blobs: { services: [gateway, rotation], secrets: [gateway, rotation] }
kms: { services: [kms], secrets: [kms] }
events: { services: [gateway, events], secrets: [events] }
replication: { services: [gateway, rotation], secrets: [rotation] }
identities: { services: [iam], secrets: [iam] }
{{- end }}

{{/* Secrets whose files are named by `settings`, and who gets them. */}}
{{- define "coffer.secrets" -}}
traces: [gateway, metadata, kms, crypto, iam, rotation, events]
clients: [gateway]
{{- end }}

{{/*
Whether gateways and rotation share a volume: not where every byte of theirs is at S3 endpoints. Then a gateway has nothing of its own, and the
audit trail has to go to where it is kept.
*/}}
{{- define "coffer.sharesVolume" -}}
{{- $blobs := .Values.blobs.configuration }}
{{- $stores := ternary (dict "default" $blobs) ($blobs.stores | default dict) (hasKey $blobs "type") }}
{{- $shares := not (hasKey $stores "default") }}
{{- range $stores }}{{ if ne .type "s3" }}{{ $shares = true }}{{ end }}{{ end }}
{{- if $shares }}yes{{ else }}
{{- $targets := .Values.audit.configuration.targets }}
{{- if and (ne (toString .Values.settings.COFFER_AUDIT) "off") (not $targets) }}
{{- fail "object data is at S3 endpoints, so gateways keep no files: say in audit.configuration.targets where the audit trail goes (docs/audit.md), or settings.COFFER_AUDIT: \"off\"" }}
{{- end }}
{{- range $targets }}
{{- if eq .type "file" }}{{ fail "audit.configuration.targets: a file would end with its gateway's pod, as object data is at S3 endpoints and no volume is shared" }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The port of a URL: `(list "https://collector.example.org:4318/v1/traces")` is 4318. */}}
{{- define "coffer.port" -}}
{{- $url := urlParse . }}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary "80" "443" (eq $url.scheme "http")) }}
{{- end }}
