#!/usr/bin/env bash
# A bootstrap action: makes sure that the agent runs by which shells and port forwarding reach a node without an open
# port. Amazon's images have it as a rule. A node without it works too, so nothing here ends the cluster.
set -uo pipefail

if ! systemctl is-active --quiet amazon-ssm-agent; then
  sudo dnf install --assumeyes --quiet amazon-ssm-agent || echo "amazon-ssm-agent cannot be installed" >&2
  sudo systemctl enable --now amazon-ssm-agent || echo "amazon-ssm-agent cannot be started" >&2
fi
exit 0
