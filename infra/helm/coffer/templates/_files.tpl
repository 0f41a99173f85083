{{/* Which services read a file of settings, and which of them its secrets too: of events and replication gateways need the names alone. */}}
{{- define "coffer.files" -}}
blobs: { services: [gateway, rotation], secrets: [gateway, rotation] }
kms: { services: [kms], secrets: [kms] }
events: { services: [gateway, events], secrets: [events] }
replication: { services: [gateway, rotation], secrets: [rotation] }
identities: { services: [iam], secrets: [iam] }
{{- end }}
