{{/* Labels of every object; the dictionary holds root and component. */}}
{{- define "myevents.labels" -}}
{{ include "myevents.selector" . }}
app.kubernetes.io/part-of: myevents
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "myevents.selector" -}}
app.kubernetes.io/name: {{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- define "myevents.image" -}}
{{ .root.Values.image.registry }}/{{ .component }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* The services of this release: name to ports, as JSON. */}}
{{- define "myevents.services" -}}
{{- if eq .Values.mode "single" -}}
{"myevents": {"http": 8080, "metrics": 9100}}
{{- else -}}
{"eventservice": {"http": 8181, "https": 9191, "metrics": 9100}, "bookingservice": {"http": 8282, "https": 9292, "metrics": 9101}}
{{- end -}}
{{- end }}

{{- define "myevents.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .user }}
runAsGroup: {{ .user }}
fsGroup: {{ .user }}
# Otherwise each start makes the files readable for the group, which RabbitMQ refuses of its cookie.
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "myevents.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Replicas apart from each other, where the cluster has room for that. */}}
{{- define "myevents.affinity" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - weight: 100
      podAffinityTerm:
        topologyKey: {{ . }}
        labelSelector:
          matchLabels:
            {{- include "myevents.selector" $ | nindent 12 }}
    {{- end }}
{{- end }}

{{/* The settings of one service alone, as JSON; root, component. */}}
{{- define "myevents.own" -}}
{{ dig .component "settings" dict .root.Values.AsMap | toJson }}
{{- end }}

{{/* What every pod of a service has, in a Deployment or in a StatefulSet; root, component, ports. */}}
{{- define "myevents.pod" -}}
metadata:
  labels:
    {{- include "myevents.labels" . | nindent 4 }}
  annotations:
    # A change of settings is a new rollout.
    checksum/settings: {{ toJson (list .root.Values.settings (include "myevents.own" .) .root.Values.secret.data) | sha256sum }}
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ .ports.metrics | quote }}
    prometheus.io/path: /metrics
spec:
  serviceAccountName: {{ .root.Release.Name }}-{{ .component }}
  automountServiceAccountToken: false
  # Kubernetes would make variables of Services that begin with the release's name: ours begin so too, and one that is no key stops a program.
  enableServiceLinks: false
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "myevents.podSecurity" (dict "user" 65532) | nindent 4 }}
  # Draining, then shutdown_timeout, then a little more.
  terminationGracePeriodSeconds: {{ add .root.Values.drainSeconds .root.Values.stopSeconds }}
  affinity:
    {{- include "myevents.affinity" . | nindent 4 }}
  {{- with .root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ include "myevents.image" . }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      envFrom:
        - configMapRef:
            name: {{ .root.Release.Name }}-{{ .component }}
        - secretRef:
            name: {{ .root.Values.secret.name }}
            # Without it the settings have to be complete by themselves.
            optional: true
        {{- with dig .component "secretName" "" .root.Values.AsMap }}
        - secretRef:
            name: {{ . }}
        {{- end }}
      {{- with .root.Values.extraEnv }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: http
          containerPort: {{ .ports.http }}
        {{- if include "myevents.https" . }}
        - name: https
          containerPort: {{ .ports.https }}
        {{- end }}
        - name: metrics
          containerPort: {{ .ports.metrics }}
      {{- /* At the port of the metrics, which answers also while that of the API has all the connections it takes. */}}
      startupProbe:
        httpGet: {path: /healthz, port: metrics}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /healthz, port: metrics}
        periodSeconds: 10
        timeoutSeconds: 5
      # 503 from the moment a stop begins, and while the store can't be reached.
      readinessProbe:
        httpGet: {path: /readyz, port: metrics}
        periodSeconds: 2
        timeoutSeconds: 3
      {{- if .root.Values.drainSeconds }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ .root.Values.drainSeconds }}
      {{- end }}
      resources:
        {{- toYaml .root.Values.resources | nindent 8 }}
      securityContext:
        {{- include "myevents.containerSecurity" . | nindent 8 }}
      {{- $mounts := include "myevents.mounts" . | fromYamlArray }}
      {{- if or $mounts (eq .component "myevents") }}
      volumeMounts:
        {{- if eq .component "myevents" }}
        - name: data
          mountPath: /data
        {{- end }}
        {{- range $mounts }}
        # As a folder, never by subPath: so a renewed Secret is seen.
        - name: {{ .name }}
          mountPath: /etc/myevents/{{ .name }}
          readOnly: true
        {{- end }}
      {{- end }}
  {{- with $mounts }}
  volumes:
    {{- range . }}
    - name: {{ .name }}
      secret:
        secretName: {{ .secret }}
    {{- end }}
  {{- end }}
{{- end }}

{{/* "true" where a service has HTTPS of its own; root, component. */}}
{{- define "myevents.https" -}}
{{- if and .root.Values.tls.secretName (ne .component "myevents") -}}
true
{{- end -}}
{{- end }}

{{/* The Secrets that a pod mounts, with certificates or a password, as a list; root, component. */}}
{{- define "myevents.mounts" -}}
{{- if include "myevents.https" . }}
- {name: tls, secret: {{ .root.Values.tls.secretName }}}
{{- with .root.Values.tls.clientSecretName }}
- {name: clients, secret: {{ . }}}
{{- end }}
{{- end }}
{{- with .root.Values.tls.trustSecretName }}
- {name: trust, secret: {{ . }}}
{{- end }}
{{- if ne .component "eventservice" }}
{{- with .root.Values.smtp.secretName }}
- {name: smtp, secret: {{ . }}}
{{- end }}
{{- end }}
{{- end }}

{{- define "myevents.claim" -}}
accessModes: [ReadWriteOnce]
{{- with .Values.storageClass }}
storageClassName: {{ . }}
{{- end }}
resources:
  requests:
    storage: {{ .Values.storage }}
{{- end }}
