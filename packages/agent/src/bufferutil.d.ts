// It has no types of its own, and nothing of it is called here.

declare module 'bufferutil' {
  const masks: object
  export default masks
}
declare module 'bufferutil/fallback' {
  const masks: object
  export default masks
}
