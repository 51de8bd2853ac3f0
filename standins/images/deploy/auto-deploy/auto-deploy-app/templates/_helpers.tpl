{{- define "app.name" -}}
{{- default .Release.Name .Values.releaseOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "app.trackedName" -}}
{{- $name := include "app.name" . -}}
{{- if eq .Values.application.track "stable" -}}{{ $name }}{{- else -}}{{ printf "%s-%s" $name .Values.application.track }}{{- end -}}
{{- end -}}

{{- define "app.selector" -}}
app: {{ include "app.name" . }}
track: {{ .Values.application.track | quote }}
tier: {{ .Values.application.tier | quote }}
release: {{ .Release.Name }}
{{- end -}}

{{- define "app.labels" -}}
{{ include "app.selector" . }}
chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
heritage: {{ .Release.Service }}
app.kubernetes.io/name: {{ include "app.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.extraLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "app.gitlab" -}}
{{- with .Values.gitlab.app }}
app.gitlab.com/app: {{ . | quote }}
{{- end }}
{{- with .Values.gitlab.env }}
app.gitlab.com/env: {{ . | quote }}
{{- end }}
{{- with .Values.gitlab.envURL }}
app.gitlab.com/env-url: {{ . | quote }}
{{- end }}
{{- with .Values.gitlab.projectID }}
app.gitlab.com/project-id: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "app.host" -}}
{{- regexReplaceAll "[:/].*$" (regexReplaceAll "^[a-z]+://" . "") "" -}}
{{- end -}}

{{- define "app.probe" -}}
{{- $probe := .probe -}}
{{- if eq $probe.probeType "httpGet" }}
httpGet:
  path: {{ $probe.path }}
  scheme: {{ $probe.scheme }}
  port: {{ $probe.port | default .port }}
  {{- with $probe.httpHeaders }}
  httpHeaders: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- else if eq $probe.probeType "tcpSocket" }}
tcpSocket:
  port: {{ $probe.port | default .port }}
{{- else }}
exec:
  command: {{- toYaml $probe.command | nindent 4 }}
{{- end }}
initialDelaySeconds: {{ $probe.initialDelaySeconds }}
timeoutSeconds: {{ $probe.timeoutSeconds }}
periodSeconds: {{ $probe.periodSeconds }}
failureThreshold: {{ $probe.failureThreshold }}
{{- end -}}
