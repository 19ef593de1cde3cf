// What opens is left at once to whoever closes it.

/** Leaves a room that has opened to the stack, which closes it once all that opened later is closed. @returns the room */
export function keep<Room extends { close(): void | Promise<void> }>(rooms: AsyncDisposableStack, room: Room): Room {
  return rooms.adopt(room, (each) => each.close())
}
