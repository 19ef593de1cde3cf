// All functions of expressions except operators, macros, `dyn()` and `type()`. We replace all built-in functions of the
// library, because they do not use RE2, or count UTF-16 units, or do not count their cost.

import { ADDRESS_FUNCTIONS } from './address-functions.ts'
import { type FunctionDefinition } from './define-function.ts'
import { ENCODING_FUNCTIONS } from './encoding-functions.ts'
import { FORMAT_FUNCTIONS } from './format-function.ts'
import { HASH_FUNCTIONS } from './hash-functions.ts'
import { LIST_FUNCTIONS } from './list-functions.ts'
import { MESSAGE_FUNCTIONS } from './message-functions.ts'
import { NUMBER_FUNCTIONS } from './number-functions.ts'
import { RANDOM_FUNCTIONS } from './random-functions.ts'
import { SECRET_FUNCTIONS } from './secret-functions.ts'
import { TEXT_FUNCTIONS } from './text-functions.ts'
import { TIME_FUNCTIONS } from './time-functions.ts'
import { URL_FUNCTIONS } from './url-functions.ts'

export const ALL_FUNCTIONS: readonly FunctionDefinition[] = [
  ...MESSAGE_FUNCTIONS,
  ...ADDRESS_FUNCTIONS,
  ...TEXT_FUNCTIONS,
  ...FORMAT_FUNCTIONS,
  ...LIST_FUNCTIONS,
  ...ENCODING_FUNCTIONS,
  ...URL_FUNCTIONS,
  ...HASH_FUNCTIONS,
  ...NUMBER_FUNCTIONS,
  ...TIME_FUNCTIONS,
  ...RANDOM_FUNCTIONS,
  ...SECRET_FUNCTIONS,
]
