{{- define "gitlab-runner.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if hasPrefix $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "gitlab-runner.labels" -}}
app: {{ include "gitlab-runner.fullname" . }}
chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
release: {{ .Release.Name | quote }}
heritage: {{ .Release.Service | quote }}
{{- end -}}

{{- define "gitlab-runner.account" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "gitlab-runner.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The Secret with the tokens: the user's, or one made of runnerToken. */}}
{{- define "gitlab-runner.secret" -}}
{{- if and .Values.runnerToken .Values.runners.secret -}}
{{- fail "runnerToken and runners.secret: expected one of them" -}}
{{- end -}}
{{- if not (or .Values.runnerToken .Values.runners.secret) -}}
{{- fail "no token: expected runners.secret, or runnerToken" -}}
{{- end -}}
{{- default (include "gitlab-runner.fullname" .) .Values.runners.secret -}}
{{- end -}}
