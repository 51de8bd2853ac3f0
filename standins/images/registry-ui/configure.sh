#!/bin/sh
# Turns the environment (upstream's variables, with upstream's meaning and defaults) into nginx's site and the page's
# config.json. What this stand-in doesn't perform ends the start; all mistakes are reported together.
set -eu

site=/etc/nginx/conf.d/default.conf
page=/usr/share/nginx/html
mistakes=''

mistake() { # name, what is wrong, what to do
  mistakes="$mistakes
  $1='$(printenv "$1" || true)': $2. $3"
}

unsupported() { # name, upstream's default, what to do instead
  value=$(printenv "$1" || true)
  if [ -n "$value" ] && [ "$value" != "$2" ]; then
    mistake "$1" 'not performed by this lab stand-in for joxit/docker-registry-ui' "$3"
  fi
}

matches() { # value, extended regular expression for the whole value
  [ "$(printf '%s\n' "$1" | wc -l)" -eq 1 ] && printf '%s\n' "$1" | grep -Exq -- "$2"
}

check() { # name, value, expression, what is expected
  matches "$2" "$3" || mistake "$1" "expected $4" "Correct it or unset it."
}

quote() { # a JSON string, which is also what nginx takes between double quotes
  printf '"%s"' "$(printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g')"
}

# --- What the page is told -------------------------------------------------------------------------------------------

title=${REGISTRY_TITLE:-}
registry_url=${REGISTRY_URL:-}
pull_url=${PULL_URL:-}
delete_images=${DELETE_IMAGES:-false}
show_content_digest=${SHOW_CONTENT_DIGEST:-false}
show_catalog_nb_tags=${SHOW_CATALOG_NB_TAGS:-false}
show_tag_history=${SHOW_TAG_HISTORY:-true}
catalog_elements_limit=${CATALOG_ELEMENTS_LIMIT:-1000}
taglist_page_size=${TAGLIST_PAGE_SIZE:-100}
taglist_order=${TAGLIST_ORDER:-alpha-asc;num-desc}
registry_secured=${REGISTRY_SECURED:-false}
use_control_cache_header=${USE_CONTROL_CACHE_HEADER:-false}
theme=${THEME:-auto}

boolean='true|false'
url="https?://[][A-Za-z0-9._:-]+"
check REGISTRY_TITLE "$title" '[^[:cntrl:]]*' 'one line of text'
check REGISTRY_URL "$registry_url" "($url(/[A-Za-z0-9._~/-]*)?)?" 'an address such as https://registry.example.com'
check PULL_URL "$pull_url" '[^[:cntrl:][:space:]]*' 'a name such as registry.example.com:5000'
check DELETE_IMAGES "$delete_images" "$boolean" 'true or false'
check SHOW_CONTENT_DIGEST "$show_content_digest" "$boolean" 'true or false'
check SHOW_CATALOG_NB_TAGS "$show_catalog_nb_tags" "$boolean" 'true or false'
check SHOW_TAG_HISTORY "$show_tag_history" "$boolean" 'true or false'
check REGISTRY_SECURED "$registry_secured" "$boolean" 'true or false'
check USE_CONTROL_CACHE_HEADER "$use_control_cache_header" "$boolean" 'true or false'
check CATALOG_ELEMENTS_LIMIT "$catalog_elements_limit" '[1-9][0-9]{0,6}' 'a positive number'
check TAGLIST_PAGE_SIZE "$taglist_page_size" '[1-9][0-9]{0,6}' 'a positive number'
check TAGLIST_ORDER "$taglist_order" '(num-(asc|desc);alpha-(asc|desc))|(alpha-(asc|desc);num-(asc|desc))' \
  'an order such as alpha-asc;num-desc'
check THEME "$theme" 'auto|light|dark' 'auto, light or dark'

if [ "${SINGLE_REGISTRY:-false}" != true ]; then
  mistake SINGLE_REGISTRY 'this lab stand-in for joxit/docker-registry-ui shows one registry and has no menu for more' \
    'Set SINGLE_REGISTRY=true.'
fi
unsupported DEFAULT_REGISTRIES '' 'Unset it; REGISTRY_URL or NGINX_PROXY_PASS_URL names the one registry.'
unsupported READ_ONLY_REGISTRIES false 'Unset it; there is only the one registry.'
unsupported HISTORY_CUSTOM_LABELS '' 'Unset it.'
unsupported CATALOG_DEFAULT_EXPANDED false 'Unset it; the catalog is one flat list.'
unsupported CATALOG_MIN_BRANCHES '' 'Unset it; the catalog is one flat list.'
unsupported CATALOG_MAX_BRANCHES '' 'Unset it; the catalog is one flat list.'
for name in $(env | sed -n 's/^\(THEME_[A-Za-z0-9_]*\)=.*/\1/p'); do
  unsupported "$name" '' 'Unset it; THEME chooses between light and dark.'
done

# --- What nginx is told ----------------------------------------------------------------------------------------------

proxy_pass_url=${NGINX_PROXY_PASS_URL:-}
proxy_pass_url=${proxy_pass_url%/}
resolver=${NGINX_RESOLVER:-}
port=${NGINX_LISTEN_PORT:-80}
check NGINX_PROXY_PASS_URL "$proxy_pass_url" "($url)?" 'scheme, host and port only, such as http://registry:5000'
check NGINX_RESOLVER "$resolver" '[][A-Za-z0-9.: =_-]*' 'a nameserver such as 127.0.0.11'
check NGINX_LISTEN_PORT "$port" '[1-9][0-9]{0,4}' 'a port number'

if [ -n "$mistakes" ]; then
  printf 'registry-ui: the settings of this container are wrong:%s\n' "$mistakes" >&2
  exit 1
fi

if [ "$(id -u)" -ne 0 ]; then
  # As upstream: an ordinary user can't have port 80, nor write in /run.
  if [ "$port" -eq 80 ]; then port=8080; fi
  sed -i -e '/^user /d' -e 's,^pid .*,pid /tmp/nginx.pid;,' /etc/nginx/nginx.conf
fi

variables() { # prefix: the rest of the name and the value of each variable, of the environment and of /etc/nginx/.env
  {
    env
    if [ -f /etc/nginx/.env ]; then cat /etc/nginx/.env; fi
  } | sed -n "s/^$1//p" | sort
}

header_directives() {
  variables NGINX_PROXY_HEADER_ | while IFS= read -r line; do
    printf '        proxy_set_header %s %s;\n' "$(quote "${line%%=*}" | tr _ -)" "$(quote "${line#*=}")"
  done
  variables NGINX_PROXY_PASS_HEADER_ | while IFS= read -r line; do
    printf '        proxy_pass_header %s;\n' "$(quote "${line%%=*}" | tr _ -)"
  done
}

registry_location() {
  printf '    location /v2 {\n        proxy_http_version 1.1;\n'
  header_directives
  if [ -n "$resolver" ]; then
    # A variable makes nginx look the name up while it runs, so a registry that comes back elsewhere is found again.
    # shellcheck disable=SC2016
    printf '        resolver %s;\n        set $registry "%s";\n        proxy_pass $registry;\n' "$resolver" "$proxy_pass_url"
  else
    printf '        proxy_pass %s;\n' "$proxy_pass_url"
  fi
  printf '    }\n'
}

connect="'self'"
if [ -n "$registry_url" ]; then
  connect="'self' $(printf '%s' "$registry_url" | sed 's,^\(https*://[^/]*\).*,\1,')"
fi

cat >"$page/config.json" <<EOF
{
  "title": $(quote "$title"),
  "registryUrl": $(quote "$registry_url"),
  "pullUrl": $(quote "$pull_url"),
  "deleteImages": $delete_images,
  "showContentDigest": $show_content_digest,
  "showCatalogNbTags": $show_catalog_nb_tags,
  "showTagHistory": $show_tag_history,
  "catalogElementsLimit": $catalog_elements_limit,
  "taglistPageSize": $taglist_page_size,
  "taglistOrder": "$taglist_order",
  "registrySecured": $registry_secured,
  "useControlCacheHeader": $use_control_cache_header,
  "theme": "$theme"
}
EOF

cat >"$site" <<EOF
server {
    listen $port;
    server_name localhost;

    # Images pass through here when somebody pushes or pulls by this address: no limit, no buffering.
    client_max_body_size 0;
    chunked_transfer_encoding on;
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_ssl_server_name on;

    location / {
        root $page;
        index index.html;
        add_header Cache-Control "no-cache";
        add_header X-Content-Type-Options "nosniff";
        add_header Content-Security-Policy "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src $connect; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
    }
$(if [ -n "$proxy_pass_url" ]; then registry_location; fi)
}
EOF
