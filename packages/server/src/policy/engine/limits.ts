// The limits of expressions. They keep policies and visitors from blocking the event loop: sizes are bounded here, and
// work is counted in units of about 100 ns (see `budget.ts`). Pure: no I/O, no clock.

/** Length of one expression. */
export const EXPRESSION_MAX_CHARS = 16 * 1024
/** Length of one template: a page in `custom-response` is longer than an expression. */
export const TEMPLATE_MAX_CHARS = 256 * 1024
/** Parentheses, indices, selects, calls, lists and maps inside each other. */
export const NESTING_MAX = 64
/** Depth of the syntax tree: a long chain of `||` is deep without being nested. The stack has room for several times as much. */
export const TREE_DEPTH_MAX = 400
/** The product of the largest sizes of the lists that nested comprehensions iterate over. */
export const STEPS_MAX = 1_000_000
/** Length of every text that an expression makes, in UTF-16 units. */
export const TEXT_MAX = 64 * 1024
/** Size of every list and map that an expression makes. */
export const LIST_MAX = 10_000
/** Header fields of one message: `limits.headers_count` has 200 as its default. */
export const HEADERS_MAX = 200
/** Pairs of a query, and cookies of one message. */
export const PAIRS_MAX = 1000
/** Budget of one evaluation: a fifth of a second at worst. */
export const UNITS_MAX = 2_000_000
/** Budget of all evaluations for one exchange, for any number of rules. */
export const UNITS_OF_EXCHANGE_MAX = 5 * UNITS_MAX
/** Nesting of lists and maps in JSON and in values that are compared. */
export const VALUE_DEPTH_MAX = 64

/** The largest weight of a value that is kept in `vars`, and of all of them together: a mebibyte or two. See `weightOf`. */
export const VALUE_WEIGHT_MAX = 64 * 1024

/** V8 reads and copies about this many characters in the time of one unit. */
export const CHARS_OF_A_UNIT = 32
/** The cost of an error: it has a stack, and the library draws its place. */
export const UNITS_OF_AN_ERROR = 250
