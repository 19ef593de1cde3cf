#!/usr/bin/env node
// The command `sallyport` as it is installed; in a clone src/sallyport.ts is.
'use strict'

require('../dist/require-node.cjs')('sallyport', require('../package.json').engines.node)
void import('../dist/sallyport.js')
