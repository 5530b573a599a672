{{- define "peergate.name" -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "peergate.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "peergate.labels" -}}
{{ include "peergate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* The ports of the default addresses of each engine. */ -}}
{{- define "peergate.p2pPorts" -}}
{{- if eq .Values.engine "custom" -}}
[{ name: p2p, port: 7071, protocol: TCP }]
{{- else if eq .Values.engine "libp2p" -}}
[{ name: p2p, port: 7071, protocol: TCP }, { name: p2p-quic, port: 7071, protocol: UDP }, { name: p2p-ws, port: 7072, protocol: TCP }]
{{- else -}}
[{ name: p2p, port: 7071, protocol: TCP }, { name: libp2p, port: 7072, protocol: TCP }, { name: libp2p-quic, port: 7072, protocol: UDP }]
{{- end -}}
{{- end -}}

{{- define "peergate.allowedHosts" -}}
{{- $name := include "peergate.name" . -}}
{{- $hosts := list $name (printf "%s.%s" $name .Release.Namespace) (printf "%s.%s.svc" $name .Release.Namespace) -}}
{{- if .Values.ingress.enabled -}}{{- $hosts = append $hosts .Values.ingress.host -}}{{- end -}}
{{- concat $hosts .Values.allowedHosts | join "," -}}
{{- end -}}
