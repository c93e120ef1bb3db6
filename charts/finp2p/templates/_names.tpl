{{/*
Names and labels, in one place. Names are at most 63 characters: 40 for the release, the rest for what
follows it.
*/}}

{{- define "finp2p.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "finp2p.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "finp2p.fullname" -}}
{{- $name := include "finp2p.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The operator's Deployment, ServiceAccount, Lease and Roles. */}}
{{- define "finp2p.operator" -}}
{{- include "finp2p.fullname" . -}}-operator
{{- end -}}

{{/* The operator as the API server knows it. */}}
{{- define "finp2p.operator.username" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "finp2p.operator" . }}
{{- end -}}

{{/* The account of node pods: this name is fixed, the operator and the admission policies know it. */}}
{{- define "finp2p.node" -}}
finp2p-node
{{- end -}}

{{/* Labels that never change over the life of a release: selectors. */}}
{{- define "finp2p.selector" -}}
app.kubernetes.io/name: {{ include "finp2p.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "finp2p.labels" -}}
app.kubernetes.io/name: {{ include "finp2p.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: finp2p
helm.sh/chart: {{ include "finp2p.chart" . }}
{{- end -}}

{{/* finp2p.image (list image appVersion): registry/repository with a digest, or else a tag. */}}
{{- define "finp2p.image" -}}
{{- $image := index . 0 -}}
{{- with $image.registry }}{{ . | trimSuffix "/" }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default (index . 1) }}{{ end -}}
{{- end -}}

{{/*
finp2p.ownLabels (list context place labels): refuses labels that the chart sets itself. The object would
have them twice, and the API server refuses it.
*/}}
{{- define "finp2p.ownLabels" -}}
{{- $own := merge (fromYaml (include "finp2p.labels" (index . 0))) (fromYaml (include "finp2p.selector" (index . 0))) -}}
{{- $place := index . 1 -}}
{{- range $key, $_ := index . 2 -}}
{{- if hasKey $own $key -}}
{{- fail (printf "%s sets the label %s, which the chart sets itself: leave it out (nameOverride changes app.kubernetes.io/name)" $place $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The namespaces, or what to do when there are none. One template includes it: `helm lint`, which refuses
nothing that is said here, prints each time.
*/}}
{{- define "finp2p.namespaces" -}}
{{- if not .Values.namespaces -}}
{{- fail "namespaces is empty: name the namespaces in which organizations run their nodes, for example --set 'namespaces={bank-a}'" -}}
{{- end -}}
{{- if has .Release.Namespace .Values.namespaces -}}
{{- fail (printf "namespaces names %s, where the operator itself runs: who may create pods for an organization there could use the operator's account. Take it off the list, or install the release in a namespace of its own (--namespace finp2p-system)" .Release.Namespace) -}}
{{- end -}}
{{- join "," .Values.namespaces -}}
{{- end -}}
