// Holds objects of the Prometheus operator and of KEDA to the schemas of their definitions.
// Usage: node check.mjs <objects.json>, a list.

import { readFileSync } from "node:fs";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";
import { ScrapeConfig } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1alpha1/ScrapeConfig";

const kinds = { ScaledObject, ScrapeConfig, ServiceMonitor };
for (const object of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const { kind, metadata } = object;
  if (!kinds[kind]) throw new Error(`no schema of ${kind}`);
  try {
    new kinds[kind](object).validate();
  } catch (error) {
    console.error(`${kind} ${metadata.name}: ${error.message}`);
    process.exit(1);
  }
  console.log(`${kind} ${metadata.name}`);
}
