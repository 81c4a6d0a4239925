#!/bin/sh
# Fills a project folder for the demo: task.yaml, which names the mockllm service, and
# packages.csv. What is there stays, so that a demo goes on where it stopped.
# Usage: demo-project.sh FOLDER
set -eu
lib=$(dirname "$0")
cd "$1"
export APT_CONFIG="$lib/demo-apt.conf"

if [ ! -s packages.csv ]; then
	mkdir -p /tmp/apt/lists/partial /tmp/apt/cache/archives/partial
	"$lib/demo-data.sh" >packages.csv.new
	mv packages.csv.new packages.csv
fi
[ -s task.yaml ] || sed 's|http://127.0.0.1:8900|http://mockllm:8900|' "$lib/demo-task.yaml" >task.yaml
echo "demo: $(($(wc -l <packages.csv) - 1)) package descriptions in packages.csv; results come to out/"
