# The nodes as Nomad knows them now. HAProxy reads this at its start; later `servers` brings it to what stands here.
backend web from ready
{{- range nomadService "web" }}
    server {{ .AllocID }} {{ .Address }}:{{ .Port }}
{{- end }}

backend living from alive
{{- range nomadService "web" }}
    server {{ .AllocID }} {{ .Address }}:{{ .Port }}
{{- end }}
