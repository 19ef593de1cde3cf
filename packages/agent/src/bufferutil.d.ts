// The package has no types of its own, and the agent does not call it.

declare module 'bufferutil' {
  const masks: object
  export default masks
}
declare module 'bufferutil/fallback' {
  const masks: object
  export default masks
}
