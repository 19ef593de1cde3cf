// Loaded before each test file (see scripts/test.ts): its child processes get a compile cache of their own. V8 refuses
// code that was cached under other flags, and our commands set flags before they load anything (see tune-v8.ts): in one
// folder, the test files and the commands would overwrite each other's code again and again.

import { join } from 'node:path'

const folder = process.env['NODE_COMPILE_CACHE']
// The test runner loads this, too, and hands its environment to the test files.
if (folder !== undefined && process.env['NODE_TEST_CONTEXT'] !== undefined)
  process.env['NODE_COMPILE_CACHE'] = join(folder, 'commands')
