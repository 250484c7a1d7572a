# Dat Chat on Nomad 1.10 or later: docs/deploy/nomad.md says how, and why each line is as it is.
#
#     deploy/nomad/volumes          once: a volume for each Redis server and sentinel
#     nomad var put nomad/jobs/datchat redis_password=… secret=…
#     nomad job run -var root=. deploy/nomad/datchat.nomad.hcl

variable "root" {
  description = "The clone: where deploy/redis and deploy/haproxy lie."
  default     = "."
}
variable "image" {
  description = "With a tag that is a version: Nomad asks the registry each time for one without or with `latest`."
  default     = "datchat:0.1.0"
}
variable "redis_images" {
  description = "One a server, so that they are upgraded one after the other."
  type        = map(string)
  default = {
    redismaster = "redis:7.2-bookworm"
    redisslave  = "redis:7.2-bookworm"
    redisslave2 = "redis:7.2-bookworm"
  }
}
variable "haproxy_image" {
  default = "haproxy:3.0-bookworm"
}
variable "web" {
  description = "How many nodes."
  default     = 3
}
variable "haproxy" {
  description = "How many load balancers, each on a host of its own."
  default     = 2
}
variable "port" {
  default = 8081
}
variable "revision" {
  description = "Another one rolls the nodes."
  default     = "1"
}
variable "environment" {
  description = "Further variables of the nodes."
  type        = map(string)
  default     = {}
}

locals {
  # Fixed ports, since sentinels and nodes know servers by address; different ones, so that two find room on one host.
  servers   = { redismaster = 6379, redisslave = 6380, redisslave2 = 6381 }
  sentinels = { redissentinel = 26379, redissentinel2 = 26380, redissentinel3 = 26381 }
  # Read anew whenever a sentinel comes or goes.
  listed = <<-END
    {{ range nomadService "redissentinel" }}{{ .Address }}:{{ .Port }} {{ end }}{{ range nomadService "redissentinel2" }}{{ .Address }}:{{ .Port }} {{ end }}{{ range nomadService "redissentinel3" }}{{ .Address }}:{{ .Port }} {{ end }}
  END
}

job "datchat" {
  type = "service"

  # Whatever has data waits for its host to be back; everything else goes where there is room.

  dynamic "group" {
    for_each = local.servers
    iterator = server
    labels   = [server.key]
    content {
      network {
        mode = "host"
        port "redis" {
          static = server.value
        }
      }
      volume "data" {
        type            = "host"
        source          = server.key
        access_mode     = "single-node-single-writer"
        attachment_mode = "file-system"
      }
      service {
        name     = server.key
        provider = "nomad"
        port     = "redis"
        check {
          type     = "tcp"
          interval = "2s"
          timeout  = "2s"
        }
      }
      disconnect {
        lost_after = "24h"
        replace    = false
      }
      restart {
        attempts = 10
        interval = "1m"
        delay    = "1s"
        mode     = "delay"
      }
      update {
        max_parallel      = 1
        min_healthy_time  = "10s"
        healthy_deadline  = "5m"
        progress_deadline = "10m"
      }
      task "redis" {
        driver       = "docker"
        user         = "999:999"
        kill_timeout = "20s"
        config {
          image           = var.redis_images[server.key]
          network_mode    = "host"
          readonly_rootfs = true
          init            = true
          cap_drop        = ["all"]
          security_opt    = ["no-new-privileges"]
          entrypoint      = ["/bin/sh", "/local/boot-guard", "/local/container.conf"]
          command         = ""
          # What is written at each start, the password among it: in memory. Nomad's own directory of secrets can be
          # written by root alone after a reboot of the host.
          mount {
            type   = "tmpfs"
            target = "/run/redis"
            tmpfs_options {
              size = 1048576
            }
          }
        }
        env {
          REDIS_SELF          = "${NOMAD_IP_redis} ${NOMAD_PORT_redis}"
          REDIS_PASSWORD_FILE = "/secrets/redis_password"
          REDIS_LIVE          = "/run/redis/live.conf"
          SENTINELS_FILE      = "/local/sentinels"
          SENTINEL_COUNT      = "3"
        }
        template {
          data        = file("${var.root}/deploy/redis/boot-guard")
          destination = "local/boot-guard"
        }
        template {
          data        = file("${var.root}/deploy/redis/redis.conf")
          destination = "local/redis.conf"
        }
        template {
          data        = <<-END
            include /local/redis.conf
            port {{ env "NOMAD_PORT_redis" }}
            bind {{ env "NOMAD_IP_redis" }} 127.0.0.1
            dir /data
          END
          destination = "local/container.conf"
        }
        template {
          data        = local.listed
          destination = "local/sentinels"
          change_mode = "noop"
        }
        template {
          data                 = "{{ with nomadVar \"nomad/jobs/datchat\" }}{{ .redis_password }}{{ end }}"
          destination          = "secrets/redis_password"
          perms                = "444"
          change_mode          = "noop"
          error_on_missing_key = true
        }
        volume_mount {
          volume      = "data"
          destination = "/data"
        }
        resources {
          cpu        = 200
          memory     = 256
          memory_max = 1200
        }
      }
    }
  }

  dynamic "group" {
    for_each = local.sentinels
    iterator = sentinel
    labels   = [sentinel.key]
    content {
      network {
        mode = "host"
        port "sentinel" {
          static = sentinel.value
        }
      }
      volume "data" {
        type            = "host"
        source          = sentinel.key
        access_mode     = "single-node-single-writer"
        attachment_mode = "file-system"
      }
      service {
        name     = sentinel.key
        provider = "nomad"
        port     = "sentinel"
        check {
          type     = "tcp"
          interval = "2s"
          timeout  = "2s"
        }
      }
      # Of a sentinel that votes there may be one at most, also while its host can't be reached.
      disconnect {
        lost_after = "24h"
        replace    = false
      }
      restart {
        attempts = 10
        interval = "1m"
        delay    = "1s"
        mode     = "delay"
      }
      task "sentinel" {
        driver = "docker"
        user   = "999:999"
        config {
          image           = var.redis_images["redismaster"]
          network_mode    = "host"
          readonly_rootfs = true
          init            = true
          cap_drop        = ["all"]
          security_opt    = ["no-new-privileges"]
          work_dir        = "/data"
          # Only for its first time it has to be told where the master is: that server may be away later.
          entrypoint      = ["/bin/sh", "-c", "until [ -s /local/master ] || [ -s /data/sentinel.conf ]; do sleep 0.2; done; . /local/master; exec /bin/sh /local/sentinel-start /local/sentinel.conf"]
          command         = ""
        }
        env {
          SENTINEL_SELF       = NOMAD_IP_sentinel
          SENTINEL_PORT       = NOMAD_PORT_sentinel
          REDIS_PASSWORD_FILE = "/secrets/redis_password"
        }
        template {
          data        = file("${var.root}/deploy/redis/sentinel-start")
          destination = "local/sentinel-start"
        }
        template {
          data        = file("${var.root}/deploy/redis/sentinel.conf")
          destination = "local/sentinel.conf"
        }
        template {
          # Whoever begins as master; after that the sentinels know better.
          data        = "{{ range nomadService \"redismaster\" }}export MASTER_HOST={{ .Address }} MASTER_PORT={{ .Port }}{{ end }}"
          destination = "local/master"
          change_mode = "noop"
        }
        template {
          data                 = "{{ with nomadVar \"nomad/jobs/datchat\" }}{{ .redis_password }}{{ end }}"
          destination          = "secrets/redis_password"
          perms                = "444"
          change_mode          = "noop"
          error_on_missing_key = true
        }
        volume_mount {
          volume      = "data"
          destination = "/data"
        }
        resources {
          cpu    = 100
          memory = 64
        }
      }
    }
  }

  group "web" {
    count = var.web
    network {
      mode = "host"
      port "http" {}
    }
    spread {
      attribute = node.unique.id
    }
    service {
      name     = "web"
      provider = "nomad"
      port     = "http"
      check {
        name     = "ready"
        type     = "http"
        path     = "/readyz"
        interval = "2s"
        timeout  = "2s"
      }
      check {
        name     = "alive"
        type     = "http"
        path     = "/healthz"
        interval = "5s"
        timeout  = "3s"
        check_restart {
          limit = 3
          grace = "15s"
        }
      }
    }
    # One that can't be reached for a while is replaced at once, and the replacement goes when it is back.
    disconnect {
      lost_after = "10m"
      replace    = true
      reconcile  = "keep_original"
    }
    restart {
      attempts = 10
      interval = "1m"
      delay    = "0s"
      mode     = "delay"
    }
    reschedule {
      unlimited      = true
      delay          = "5s"
      delay_function = "constant"
    }
    # A new node beside the old ones first; then all, one after the other; back to the old version when it does not live.
    update {
      canary            = 1
      auto_promote      = true
      auto_revert       = true
      max_parallel      = 1
      min_healthy_time  = "3s"
      healthy_deadline  = "2m"
      progress_deadline = "5m"
    }
    migrate {
      max_parallel     = 1
      min_healthy_time = "3s"
    }
    # The load balancers hear that it goes before it does.
    shutdown_delay = "1s"
    task "web" {
      driver       = "docker"
      kill_timeout = "15s"
      config {
        image           = var.image
        force_pull      = false
        network_mode    = "host"
        readonly_rootfs = true
        init            = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
        # Two of the three know the third, which may be away with its host.
        entrypoint      = ["/bin/sh", "-c", "until [ \"$(wc -w </local/sentinels)\" -ge 2 ]; do sleep 0.2; done; exec env DATCHAT_STORE=redis+sentinel://$(tr -s ' \\n' , </local/sentinels | sed 's/,$//')/mymaster datchat serve"]
        command         = ""
      }
      env {
        DATCHAT_HOST                = NOMAD_IP_http
        DATCHAT_PORT                = NOMAD_PORT_http
        DATCHAT_NAME                = "web${NOMAD_ALLOC_INDEX}"
        DATCHAT_STORE_PASSWORD_FILE = "/secrets/redis_password"
        DATCHAT_SECRET_FILE         = "/secrets/secret"
        DATCHAT_DATA                = "/local/data"
        # Each of the two proofs of /readyz: together less than HAProxy waits for an answer.
        DATCHAT_READY_S         = "0.2"
        DATCHAT_TRUSTED_PROXIES = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"
        REVISION                = var.revision
      }
      template {
        data        = join("\n", concat(["# as the variable `environment` says"], [for name, value in var.environment : "${name}=${value}"]))
        destination = "local/environment"
        env         = true
      }
      template {
        data        = local.listed
        destination = "local/sentinels"
        change_mode = "noop"
      }
      template {
        data                 = "{{ with nomadVar \"nomad/jobs/datchat\" }}{{ .redis_password }}{{ end }}"
        destination          = "secrets/redis_password"
        perms                = "444"
        change_mode          = "noop"
        error_on_missing_key = true
      }
      template {
        data                 = "{{ with nomadVar \"nomad/jobs/datchat\" }}{{ .secret }}{{ end }}"
        destination          = "secrets/secret"
        perms                = "444"
        change_mode          = "noop"
        error_on_missing_key = true
      }
      resources {
        cpu        = 200
        memory     = 256
        memory_max = 1024
      }
    }
  }

  group "haproxy" {
    count = var.haproxy
    network {
      mode = "host"
      port "chat" {
        static = var.port
      }
    }
    service {
      name     = "haproxy"
      provider = "nomad"
      port     = "chat"
      check {
        type     = "http"
        path     = "/haproxy/alive"
        interval = "2s"
        timeout  = "2s"
      }
    }
    disconnect {
      lost_after = "10m"
      replace    = true
      reconcile  = "keep_original"
    }
    restart {
      attempts = 10
      interval = "1m"
      delay    = "0s"
      mode     = "delay"
    }
    update {
      max_parallel     = 1
      min_healthy_time = "5s"
      # Its port is taken by the old one.
      canary = 0
    }
    task "haproxy" {
      driver = "docker"
      user   = "haproxy"
      config {
        image           = var.haproxy_image
        network_mode    = "host"
        readonly_rootfs = true
        init            = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
        entrypoint      = ["haproxy", "-db", "-f", "/local/haproxy.cfg", "-f", "/local/servers.cfg"]
        command         = ""
      }
      # Its own SIGUSR1 would keep the port closed and old sockets open for half a minute.
      kill_signal = "SIGTERM"
      env {
        DATCHAT_BIND  = "*:${NOMAD_PORT_chat}"
        DATCHAT_ADMIN = "unix@/local/admin.sock"
      }
      template {
        data        = file("${var.root}/deploy/haproxy/haproxy.cfg")
        destination = "local/haproxy.cfg"
      }
      template {
        data        = file("${var.root}/deploy/nomad/servers")
        destination = "local/servers"
        perms       = "755"
      }
      template {
        # Not a reload, which would cut every socket half a minute later: servers come and go over the runtime API.
        data        = file("${var.root}/deploy/nomad/servers.cfg.tpl")
        destination = "local/servers.cfg"
        change_mode = "script"
        change_script {
          command = "/local/servers"
          args    = ["/local/admin.sock", "/local/servers.cfg"]
          timeout = "10s"
        }
      }
      resources {
        cpu    = 200
        memory = 128
      }
    }
  }
}
