{{/*
The objects are those of the kustomizations: read from their files, and changed as the values say. So there is
one source, and a test compares what both render.
*/}}

{{/* A label of an object, or nothing. */}}
{{- define "statefall.label" -}}
{{- dig "metadata" "labels" (index . 1) "" (index . 0) -}}
{{- end -}}

{{/* Namespace and labels that all objects have, and their pods. Takes a dict: object, root. */}}
{{- define "statefall.common" -}}
{{- $labels := dict "app.kubernetes.io/part-of" "statefall" "app.kubernetes.io/instance" .root.Release.Name -}}
{{- $own := dict "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set .object.metadata "labels" (merge $own $labels (.object.metadata.labels | default dict)) -}}
{{- if not (has .object.kind (list "IngressClass" "ClusterRole" "ClusterRoleBinding")) -}}
{{- $_ := set .object.metadata "namespace" .root.Release.Namespace -}}
{{- end -}}
{{- range .object.subjects -}}
{{- $_ := set . "namespace" $.root.Release.Namespace -}}
{{- end -}}
{{- with dig "spec" "template" "metadata" dict .object -}}
{{- $_ := set . "labels" (merge (deepCopy $labels) .labels) -}}
{{- end -}}
{{- end -}}

{{/* Images as the values name them. Takes a dict: object, root. */}}
{{- define "statefall.images" -}}
{{- range dig "spec" "template" "spec" "containers" list .object -}}
{{- $name := splitList ":" .image | first | base -}}
{{- if eq $name "statefall" -}}
{{- $_ := set . "image" $.root.Values.image -}}
{{- else if get $.root.Values.images $name -}}
{{- $_ := set . "image" (get $.root.Values.images $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What every replica has in common, and the settings of this one. Takes a dict: object, root. */}}
{{- define "statefall.replica" -}}
{{- $values := .root.Values -}}
{{- $spec := (fromYaml (.root.Files.Get "base/replica.yaml")).spec -}}
{{- $common := first $spec.template.spec.containers -}}
{{- $own := first .object.spec.template.spec.containers -}}
{{- $env := concat $common.env $own.env -}}
{{- $ports := concat $common.ports ($own.ports | default list) -}}
{{- $container := mergeOverwrite $common $own (dict "env" $env "ports" $ports) -}}
{{- range $env -}}
{{- if and (eq .name "STATEFALL_STATE") (ne .value "client") -}}
{{- $_ := set . "value" $values.state -}}
{{- else if and (eq .name "STATEFALL_TRUSTED_PROXIES") (eq $values.balancer "client-ip") -}}
{{- $_ := set . "value" "0" -}}
{{- end -}}
{{- end -}}
{{- $spec = mergeOverwrite $spec .object.spec (dict "replicas" (int $values.replicas)) -}}
{{- $_ := set $spec.template.spec "containers" (list $container) -}}
{{- if $values.autoscale -}}
{{- $_ := unset $spec "replicas" -}}
{{- end -}}
{{- $_ := set .object "spec" $spec -}}
{{- if and $values.statefulSet (eq .object.metadata.name "stateful") -}}
{{- $_ := set .object "kind" "StatefulSet" -}}
{{- $_ := set $spec "serviceName" "stateful-identities" -}}
{{- $_ := set $spec "podManagementPolicy" "Parallel" -}}
{{- $_ := unset $spec "strategy" -}}
{{- $_ := unset $spec "progressDeadlineSeconds" -}}
{{- $_ := unset (first $spec.template.spec.topologySpreadConstraints) "matchLabelKeys" -}}
{{- end -}}
{{- end -}}

{{/* How requests reach the replicas. Takes a dict: object (a Service or an Ingress), root. */}}
{{- define "statefall.route" -}}
{{- $values := .root.Values -}}
{{- if and (eq .object.kind "Service") (eq $values.balancer "sticky") -}}
{{- $cookie := (fromYaml (.root.Files.Get "components/sticky/cookie.yaml")).metadata.annotations -}}
{{- $_ := set .object.metadata "annotations" $cookie -}}
{{- else if and (eq .object.kind "Service") (eq $values.balancer "client-ip") -}}
{{- $affinity := (fromYaml (.root.Files.Get "client-ip/affinity.yaml")).spec -}}
{{- $_ := set .object "spec" (mergeOverwrite .object.spec $affinity) -}}
{{- else if and (eq .object.kind "Ingress") $values.ingressClass -}}
{{- $_ := unset .object.metadata.annotations "kubernetes.io/ingress.class" -}}
{{- $_ := set .object.spec "ingressClassName" "statefall" -}}
{{- end -}}
{{- end -}}

{{/* The balancer may read what is cluster-wide where an IngressClass names it. Takes a dict: object, root. */}}
{{- define "statefall.balancer" -}}
{{- if .root.Values.ingressClass -}}
{{- $container := first .object.spec.template.spec.containers -}}
{{- $_ := set $container "args" (without $container.args "--providers.kubernetesingress.disableclusterscoperesources=true") -}}
{{- end -}}
{{- end -}}
