// One peer's life in relay terms: what it speaks, who it says it is, where it sits.
//
// Owned by one shard at a time and touched on its loop only; it moves with its connections when it takes a seat in a room of
// another loop. A connection holds one reference to its session (Connection.setSession). SPDX-License-Identifier: Apache-2.0

import LinkProtocol

/// Declared in an order that leaves no gaps: there is one of these for every connection.
final class Session {
    /// Unique in the process; says nothing to anybody outside.
    let serial: UInt64
    let openedMs: UInt64
    /// The WebSocket it speaks over; nil while it polls, while it is handed to another loop, and when it is gone.
    var connection: Connection?
    /// Everything that only an Engine.IO session has.
    let engine: EngineState?
    /// The room it is seated in, not counted as a reference: a room that anybody sits in is not forgotten (Shard.retire).
    private(set) var seat: Unmanaged<Room>?
    var room: Room? {
        get { seat?.takeUnretainedValue() }
        set { seat = newValue.map(Unmanaged.passUnretained) }
    }
    /// When it took that seat.
    var seatedMs: UInt64 = 0
    /// The room's command sequence when it sat down: earlier commands were not sent to it.
    var joinedAtSequence: UInt64 = 0
    /// Commands sent to this extension that it has not proved to have received; nil until it is sent the first.
    private(set) var unconfirmed: DeliveryLog?
    /// See SessionAside.
    var aside: SessionAside?
    /// Where it came from, as limits count it.
    let address: PeerAddress
    var role: Role?
    /// What it sent and was sent since it took its seat, but for what is in its aside already.
    private var recentTraffic = RecentTraffic()
    /// An upper bound of the large messages in its queue (Shard.hasRoom).
    var largeBytes: UInt32 = 0
    /// Messages refused so far; too many end the connection.
    var refusedCount: UInt8 = 0

    /// Whether it ever had a seat.
    var wasSeated = false
    /// Seated in this turn: it is told the presence even if that did not change (a return within the grace).
    var isNewcomer = false
    /// A `join` is being looked up: input waits.
    var isJoining = false
    var isGone = false
    /// It was told to come back later: what it sent before it knew still counts, but nothing can be sent to it.
    var isLeaving = false

    /// `engine`: nil for a native session.
    init(serial: UInt64, address: PeerAddress, openedMs: UInt64, engine: EngineState?) {
        self.serial = serial
        self.address = address
        self.openedMs = openedMs
        self.engine = engine
    }

    @inline(__always) var dialect: Dialect { engine == nil ? .native : .socketio }

    // MARK: Traffic

    /// What it sent and was sent since it took its seat, for the operator.
    var traffic: Traffic {
        var all = aside?.earlierTraffic ?? Traffic()
        all.add(recentTraffic)
        return all
    }

    @inline(__always) func takeIn(_ bytes: Int) {
        if recentTraffic.takeIn(bytes) { putTrafficAside() }
    }

    @inline(__always) func giveOut(_ bytes: Int) {
        if recentTraffic.giveOut(bytes) { putTrafficAside() }
    }

    @inline(never) private func putTrafficAside() {
        earlierTraffic.add(recentTraffic)
        recentTraffic = RecentTraffic()
    }

    func resetTraffic() {
        recentTraffic = RecentTraffic()
        if aside != nil { earlierTraffic = Traffic() }
    }

    // MARK: Delivery

    /// What it is sent is noted here.
    @inline(never)
    func deliveryLog() -> DeliveryLog {
        if let unconfirmed { return unconfirmed }
        let log = DeliveryLog()
        unconfirmed = log
        return log
    }

    // Uncounted in both: a log takes notes and lets go of messages, nothing in it reaches the session that owns it.

    /// DeliveryLog.note
    @inline(__always)
    func noteSent(_ command: FramedPayload, sequence: UInt64, countCeiling: Int, byteCeiling: Int) {
        let log = unconfirmed.map(Unmanaged.passUnretained) ?? Unmanaged.passUnretained(deliveryLog())
        log._withUnsafeGuaranteedRef { $0.note(command, sequence: sequence, countCeiling: countCeiling, byteCeiling: byteCeiling) }
    }

    /// DeliveryLog.beginBarrier
    @inline(__always)
    func beginBarrier(nowMs: UInt64) -> DeliveryLog.BarrierAdvice {
        unconfirmed.map(Unmanaged.passUnretained)?._withUnsafeGuaranteedRef { $0.beginBarrier(nowMs: nowMs) } ?? .nothing
    }

    /// Gives up the log; the references in what it returns become the caller's.
    func takeUnconfirmed() -> [DeliveryLog.Entry] {
        defer { unconfirmed = nil }
        return unconfirmed?.takeAll() ?? []
    }

    var transportName: String {
        guard let engine else { return "websocket" }
        return engine.transport == .polling ? "polling" : "websocket"
    }
}

/// Messages and their bytes, without the framing of the transport.
struct Traffic: Sendable {
    var messagesIn: UInt64 = 0
    var messagesOut: UInt64 = 0
    var bytesIn: UInt64 = 0
    var bytesOut: UInt64 = 0

    var isZero: Bool { messagesIn | messagesOut | bytesIn | bytesOut == 0 }

    mutating func add(_ other: Traffic) {
        messagesIn &+= other.messagesIn
        messagesOut &+= other.messagesOut
        bytesIn &+= other.bytesIn
        bytesOut &+= other.bytesOut
    }

    mutating func add(_ other: RecentTraffic) {
        messagesIn &+= UInt64(other.messagesIn)
        messagesOut &+= UInt64(other.messagesOut)
        bytesIn &+= UInt64(other.bytesIn)
        bytesOut &+= UInt64(other.bytesOut)
    }
}

/// The same at half the size, as far as it goes. Whoever is told that a half is full takes all out and begins anew.
struct RecentTraffic: Sendable {
    private(set) var messagesIn: UInt32 = 0
    private(set) var messagesOut: UInt32 = 0
    private(set) var bytesIn: UInt32 = 0
    private(set) var bytesOut: UInt32 = 0

    private static let half = UInt32(1) << 31

    /// True: half full. A message is far smaller than the other half.
    @inline(__always) mutating func takeIn(_ bytes: Int) -> Bool {
        messagesIn &+= 1
        bytesIn &+= UInt32(truncatingIfNeeded: bytes)
        return (messagesIn | bytesIn) >= Self.half
    }

    @inline(__always) mutating func giveOut(_ bytes: Int) -> Bool {
        messagesOut &+= 1
        bytesOut &+= UInt32(truncatingIfNeeded: bytes)
        return (messagesOut | bytesOut) >= Self.half
    }
}

/// A seat that was granted and is taken as soon as the session is on the room's home loop.
struct PendingSeat {
    var ticket: RoomTicket
    var ack: AckReference?
    /// The key that the room's code was exchanged for: what the joiner is told after its answer.
    var newKey: LinkKey?
    /// A link key found in the directory, to be looked up once more where the room lives: it may have been deleted on the way.
    var presentedKey: LinkKey?
}

/// The `ack` of a request, as its peer wrote it: a raw JSON value (native) or digits (Socket.IO).
struct AckReference {
    var bytes: [UInt8]
    /// Nil for an empty range.
    @inline(__always)
    init?(_ message: UnsafeRawBufferPointer, _ range: ByteRange) {
        guard !range.isEmpty else { return nil }
        bytes = Array(message[range])
    }

    /// Nil for no bytes.
    init?(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return nil }
        self.bytes = bytes
    }
}

/// One inbound event, whatever dialect it came in. Its bytes are lent for the call; each part is looked up when it is asked for, and nothing
/// in it is counted, so that handing it on costs nothing.
struct Inbound {
    let event: Event
    private let acknowledgement: ByteRange
    private let message: UnsafeRawBufferPointer
    private let data: ByteRange
    private let string: ByteRange
    private let fields: EnvelopeFields
    /// As it is compared: equal ids have equal bytes, however they were spelt.
    let id: UnsafeRawBufferPointer

    /// All ranges are of `message`. An id that is written with escapes is in `plainID` until that shows the next one.
    @inline(__always)
    init(
        _ event: Event, in message: UnsafeRawBufferPointer, data: ByteRange, string: ByteRange, fields: EnvelopeFields, ack: ByteRange,
        plainID: @autoclosure () -> PlainID
    ) {
        self.event = event
        self.message = message
        self.data = data
        self.string = string
        self.fields = fields
        acknowledgement = ack
        id = fields.hasEscapedID ? plainID().show(message[fields.id]) : message[fields.id]
    }

    /// A copy of what the answer has to name; nil if none is asked for. To be taken before the payload is framed for its receivers: that
    /// may overwrite what is around the payload (EventLoop.frame).
    @inline(__always) var ack: AckReference? { AckReference(message, acknowledgement) }

    /// The payload exactly as sent; empty when there is none.
    @inline(__always) var payload: UnsafeRawBufferPointer { message[data] }
    /// The payload's contents when it is a plain string.
    @inline(__always) var text: UnsafeRawBufferPointer? { string.isEmpty ? nil : message[string] }
    @inline(__always) var type: UnsafeRawBufferPointer { message[fields.type] }
    @inline(__always) var status: CommandState? { fields.status }
    @inline(__always) var isObject: Bool { fields.isObject }
    /// A member name is written with escapes: the receiver may see another `type` than this one.
    @inline(__always) var hasEscapedName: Bool { fields.hasEscapedName }
}

/// Progress that a slow member will be told once it has caught up: at most one per command, the newest.
struct CoalescedProgress {
    private(set) var entries: [(id: [UInt8], message: Message)] = []
    static let limit = 64

    /// Keeps `message` (retaining it) in place of an older one with this id. False: no room.
    mutating func keep(id: UnsafeRawBufferPointer, _ message: Message) -> Bool {
        if let i = entries.firstIndex(where: { id.elementsEqual($0.id) }) {
            entries[i].message.release()
            message.retain()
            entries[i].message = message
            return true
        }
        guard entries.count < Self.limit else { return false }
        message.retain()
        entries.append((Array(id), message))
        return true
    }

    /// Forgets what is kept for `id`: a terminal status follows.
    mutating func discard(id: UnsafeRawBufferPointer) {
        guard let i = entries.firstIndex(where: { id.elementsEqual($0.id) }) else { return }
        entries.remove(at: i).message.release()
    }

    mutating func takeAll() -> [Message] {
        defer { entries.removeAll() }
        return entries.map { $0.message }
    }
}
