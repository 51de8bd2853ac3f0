{{/* What the objects are called: the release. Kubernetes allows 63 characters, of which pods need some, and no Service whose
     name begins with a digit. In quotes: a project may be called "on". */}}
{{- define "microservice.name" -}}
{{- $letter := ternary "svc-" "" (regexMatch "^[0-9]" .Release.Name) }}
{{- print $letter .Release.Name | trunc 52 | trimSuffix "-" | quote }}
{{- end }}

{{/* What the objects of this release are found by. */}}
{{- define "microservice.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "microservice.labels" -}}
{{ include "microservice.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
