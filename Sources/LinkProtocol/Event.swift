// The words of the wire: events, roles, identifiers. Pure values, any thread; PROTOCOL.md is written beside this file.
// SPDX-License-Identifier: Apache-2.0

/// Which side of the link a member plays.
public enum Role: UInt8, Sendable, Hashable, CaseIterable {
    /// The extension beside Stable Diffusion.
    case sd
    /// A web front-end.
    case client

    public var name: String { self == .sd ? "sd" : "client" }
}

/// The events both dialects carry.
public enum Event: UInt8, Sendable, Hashable, CaseIterable {
    case iam, join, leave, command, commandStatus, roomPresence, upgradeKey, kicked, error

    public var name: StaticString {
        switch self {
        case .iam: "iam"
        case .join: "join"
        case .leave: "leave"
        case .command: "command"
        case .commandStatus: "commandStatus"
        case .roomPresence: "roomPresence"
        case .upgradeKey: "upgradeKey"
        case .kicked: "kicked"
        case .error: "error"
        }
    }
}

/// How the same events are framed.
public enum Dialect: UInt8, Sendable, Hashable, CaseIterable {
    case native, socketio

    public var name: String { self == .native ? "native" : "socketio" }
}

/// A registered pairing: one Stable Diffusion install of one user. A JSON number on the wire.
public struct InstanceID: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let rawValue: Int64
    public init(_ rawValue: Int64) { self.rawValue = rawValue }
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public var description: String { String(rawValue) }
}

/// A room, identified inside by its instance and never by a key, so that re-keying strands nobody.
public struct RoomID: Hashable, Sendable, CustomStringConvertible {
    public let instance: InstanceID
    public init(_ instance: InstanceID) { self.instance = instance }

    /// Which of `loopCount` (> 0) loops is this room's home for its whole life: a pure function, no directory, no lock.
    public func home(loopCount: Int) -> Int {
        loopCount > 1 ? Int(instance.spread % UInt64(loopCount)) : 0
    }

    public var description: String { "room-\(instance.rawValue)" }
}

/// How many sockets of each role are in a room, as `roomPresence` says it.
public struct Presence: Hashable, Sendable {
    public var clientCount: Int
    public var sdCount: Int
    public init(clientCount: Int = 0, sdCount: Int = 0) {
        self.clientCount = clientCount
        self.sdCount = sdCount
    }
}

/// The states a `commandStatus` may report.
public enum CommandState: UInt8, Sendable, Hashable, CaseIterable {
    case pending, processing, success, error, canceled

    /// After a terminal state the command is over.
    public var isTerminal: Bool { self == .success || self == .error || self == .canceled }

    public var name: StaticString {
        switch self {
        case .pending: "pending"
        case .processing: "processing"
        case .success: "success"
        case .error: "error"
        case .canceled: "canceled"
        }
    }
}
