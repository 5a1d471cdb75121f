// How a shard's tables find rooms and sessions: by what each holds anyway.
//
// Pure, loop thread. Numbers that the process gives out itself are spread; session ids are random. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

enum RoomsByID: Keying {
    static func key(of room: Room) -> RoomID { room.id }
    static func hash(_ id: RoomID) -> UInt64 { id.instance.spread }
}

enum SessionsBySerial: Keying {
    static func key(of session: Session) -> UInt64 { session.serial }
    static func hash(_ serial: UInt64) -> UInt64 { serial.spread }
}

/// Of sessions with an Engine.IO state only.
enum SessionsBySID: Keying {
    static func key(of session: Session) -> EngineSID? { session.engine?.sid }
    static func hash(_ sid: EngineSID?) -> UInt64 { sid?.high ?? 0 }
}
