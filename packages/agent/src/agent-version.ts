// The version in package.json, one folder above both `src` and `dist`.

import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string } // our own file

export const AGENT_VERSION = manifest.version
