// Adds an opened room at once to the stack that closes it.

/** Adds an opened room to the stack, which closes it after all rooms that were opened later. @returns the room */
export function keep<Room extends { close(): void | Promise<void> }>(rooms: AsyncDisposableStack, room: Room): Room {
  return rooms.adopt(room, (each) => each.close())
}
