#!/usr/bin/env bash
# Submit one file with one instruction, wait for the end, and fetch the video.
#
#   examples/submit.sh photo.jpg "animate this photo" [clip.mp4]
#
# The gateway and the key come from REELQUEUE_URL and REELQUEUE_API_KEY, else from the `reelqueue dev` of this directory.
set -euo pipefail

file=${1:?usage: submit.sh FILE INSTRUCTION [OUT]}
instruction=${2:?usage: submit.sh FILE INSTRUCTION [OUT]}
out=${3:-clip.mp4}

member() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

url=${REELQUEUE_URL:-$(member base_url <.dev/dev.json)}
key=${REELQUEUE_API_KEY:-$(member api_key <.dev/dev.json)}

# The key goes in by a pipe: arguments show in process lists.
call() { curl --silent --show-error --fail-with-body --config <(printf 'header = "Authorization: Bearer %s"\n' "$key") "$@"; }

# The same Idempotency-Key makes a repeat of this request safe: same key, same job.
job=$(call "$url/v1/jobs" -H "Idempotency-Key: $(python3 -c 'import uuid; print(uuid.uuid4())')" \
    -F "files=@$file" -F "instruction=$instruction")
path=/v1/jobs/$(member id <<<"$job")
echo "accepted: $path" >&2

while true; do
    status=$(member status <<<"$job")
    case $status in
        succeeded) break ;;
        failed | canceled)
            member error <<<"$job" >&2
            exit 1
            ;;
    esac
    # Answers when the job has ended, or after 30 s.
    job=$(call "$url$path" -H "Prefer: wait=30")
done

call "$url$path/result" --output "$out"
echo "$out"
