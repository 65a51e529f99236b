{{/* A server with a disk: its Service and its StatefulSet; root, component, port, user, path, body. */}}
{{- define "myevents.server" }}
{{- $values := index .root.Values .component }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .root.Release.Name }}-{{ .component }}
  labels:
    {{- include "myevents.labels" . | nindent 4 }}
spec:
  # The addresses of pods themselves, ready or not: the servers find their own names by it.
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "myevents.selector" . | nindent 4 }}
  ports:
    - name: {{ .component }}
      port: {{ .port }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .root.Release.Name }}-{{ .component }}
  labels:
    {{- include "myevents.labels" . | nindent 4 }}
spec:
  serviceName: {{ .root.Release.Name }}-{{ .component }}
  replicas: 1
  selector:
    matchLabels:
      {{- include "myevents.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "myevents.labels" . | nindent 8 }}
    spec:
      {{- if eq .component "prometheus" }}
      serviceAccountName: {{ .root.Release.Name }}-prometheus
      {{- else }}
      automountServiceAccountToken: false
      {{- end }}
      enableServiceLinks: false
      securityContext:
        {{- include "myevents.podSecurity" . | nindent 8 }}
      terminationGracePeriodSeconds: 60
      containers:
        - name: {{ .component }}
          image: {{ $values.image }}
          ports:
            - name: {{ .component }}
              containerPort: {{ .port }}
          securityContext:
            allowPrivilegeEscalation: false
            capabilities:
              drop: [ALL]
          {{- include .body .root | nindent 10 }}
            - name: data
              mountPath: {{ .path }}
      {{- if eq .component "prometheus" }}
      volumes:
        - name: configuration
          configMap:
            name: {{ .root.Release.Name }}-prometheus
      {{- end }}
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        {{- include "myevents.claim" .root | nindent 8 }}
{{- end }}

{{- define "myevents.mongodb" -}}
args: [--replSet, rs0, --bind_ip_all]
# Makes the replica set at the first check, and is ready once there is a primary.
readinessProbe:
  exec:
    command:
      - mongosh
      - --quiet
      - --eval
      - >-
        try { rs.status() } catch {
        rs.initiate({_id: "rs0", members: [{_id: 0, host: "{{ .Release.Name }}-mongodb:27017"}]}) };
        if (!db.hello().isWritablePrimary) quit(1)
  initialDelaySeconds: 5
  periodSeconds: 10
  timeoutSeconds: 10
livenessProbe:
  tcpSocket: {port: mongodb}
  periodSeconds: 20
resources:
  requests: {cpu: 250m, memory: 512Mi}
  limits: {memory: 1Gi}
volumeMounts:
{{- end }}

{{- define "myevents.rabbitmq" -}}
env:
  - name: RABBITMQ_NODENAME
    value: rabbit@localhost
  - name: RABBITMQ_DEFAULT_USER
    valueFrom:
      secretKeyRef: {name: {{ .Values.rabbitmq.secretName }}, key: username}
  - name: RABBITMQ_DEFAULT_PASS
    valueFrom:
      secretKeyRef: {name: {{ .Values.rabbitmq.secretName }}, key: password}
readinessProbe:
  exec:
    command: [rabbitmq-diagnostics, -q, check_port_connectivity]
  initialDelaySeconds: 15
  periodSeconds: 15
  timeoutSeconds: 10
livenessProbe:
  tcpSocket: {port: rabbitmq}
  initialDelaySeconds: 60
  periodSeconds: 20
resources:
  requests: {cpu: 250m, memory: 256Mi}
  limits: {memory: 1Gi}
volumeMounts:
{{- end }}

{{- define "myevents.prometheus" -}}
args:
  - --config.file=/etc/prometheus/prometheus.yaml
  - --storage.tsdb.path=/prometheus
readinessProbe:
  httpGet: {path: /-/ready, port: prometheus}
livenessProbe:
  httpGet: {path: /-/healthy, port: prometheus}
resources:
  requests: {cpu: 100m, memory: 256Mi}
  limits: {memory: 1Gi}
volumeMounts:
  - name: configuration
    mountPath: /etc/prometheus
{{- end }}
