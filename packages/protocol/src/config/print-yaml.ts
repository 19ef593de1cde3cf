// Plain values as YAML that people would write. Pure: no I/O, no clock.

import { stringify } from 'yaml'

const LINE_MAX_CHARS = 100

/** Ends with a line feed. What `YamlFile` reads of it is equal to the value. */
export function printYaml(value: unknown): string {
  return stringify(value, { lineWidth: LINE_MAX_CHARS, aliasDuplicateObjects: false })
}
