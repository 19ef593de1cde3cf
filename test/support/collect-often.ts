// Loaded into a process under test by --import: it collects all its garbage again and again, so that what would happen in
// some collection, one day, happens now.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const INTERVAL_MS = 20

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void // what --expose-gc puts there
setInterval(() => {
  collect()
  process.stderr.write('collected\n')
}, INTERVAL_MS).unref()
