#!/usr/bin/env node
// The command `agent` as it is installed; in a clone src/main.ts is.
'use strict'

require('../dist/require-node.cjs')('agent', require('../package.json').engines.node)
void import('../dist/main.js')
