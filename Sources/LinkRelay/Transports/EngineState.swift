// What an Engine.IO session has beyond any other: its sid, its transport, the packets waiting for a poll.
//
// Owned by one session, touched on its loop. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

/// An Engine.IO session id: 128 random bits, a secret of its peer, shown as 32 hex digits. Says nothing about where the session lives.
struct EngineSID: Hashable, Sendable {
    let high: UInt64
    let low: UInt64

    /// From the system's generator.
    static func random() -> EngineSID {
        var generator = SystemRandomNumberGenerator()
        return EngineSID(high: generator.next(), low: generator.next())
    }

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    init?(parsing text: String) {
        guard text.utf8.count == 32 else { return nil }
        var words: [UInt64] = [0, 0]
        for (i, byte) in text.utf8.enumerated() {
            guard let nibble = Hex.nibble(byte), !(0x41...0x46).contains(byte) else { return nil }
            words[i / 16] = words[i / 16] << 4 | UInt64(nibble)
        }
        self.init(high: words[0], low: words[1])
    }

    var text: String {
        var bytes: [UInt8] = []
        for word in [high, low] {
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift))) }
        }
        return Hex.encode(bytes)
    }
}

/// Declared in an order that leaves no gaps: there is one of these for every Socket.IO connection.
final class EngineState {
    enum Transport { case polling, websocket }

    let sid: EngineSID
    /// The Socket.IO id told in the CONNECT answer; not the sid, which is a secret of the transport.
    let socketID: EngineSID
    /// Exists while it polls or something of that is left.
    private var polling: PollingState?
    var lastHeardMs: UInt64
    /// Pings sent and pongs received by the relay itself (not by the engine's heartbeat).
    var pingsSent: UInt64 = 0
    var pongsHeard: UInt64 = 0
    /// The ping number that the delivery barrier rides on.
    var barrierPing: UInt64 = 0
    /// Binary attachments that follow a refused binary event.
    var attachmentsToSkip: UInt8 = 0
    var transport: Transport
    /// The namespace `/` is connected.
    var isConnected = false
    var isPingArmed = false
    /// What the peer was told when it came: a reload changes it for those who come then.
    let heartbeatIntervalMs: UInt32
    let heartbeatTimeoutMs: UInt32
    var silenceMs: UInt64 { UInt64(heartbeatIntervalMs) + UInt64(heartbeatTimeoutMs) }

    init(sid: EngineSID, transport: Transport, nowMs: UInt64, heartbeatIntervalMs: UInt32, heartbeatTimeoutMs: UInt32) {
        self.heartbeatIntervalMs = heartbeatIntervalMs
        self.heartbeatTimeoutMs = heartbeatTimeoutMs
        self.sid = sid
        socketID = .random()
        self.transport = transport
        lastHeardMs = nowMs
    }

    private var madePolling: PollingState {
        if let polling { return polling }
        let made = PollingState()
        polling = made
        return made
    }

    /// It speaks over a WebSocket now and its last poll is answered.
    func endPolling() {
        // While it is on the list of dirty polls, leaving the loop has to take it off.
        guard !isPollDirty else { return }
        releaseQueue()
        polling = nil
    }
}

/// What only polling needs. Owned by one EngineState, which shows each as if it were its own.
private final class PollingState {
    var pendingPoll: Connection?
    var corsHeaders: [(name: String, value: String)] = []
    var probe: Connection?
    var isProbed = false
    var isReceiving = false
    var isPollDirty = false
    var isLastPollRefused = false
    /// Packets waiting for a poll; one reference each.
    var queue: ContiguousArray<Message> = []
    var queueHead = 0
    var queueBytes = 0
    var polledSequence: UInt64 = 0
}

extension EngineState {
    /// A GET that waits for a packet.
    var pendingPoll: Connection? {
        get { polling?.pendingPoll }
        set { if newValue != nil || polling != nil { madePolling.pendingPoll = newValue } }
    }

    /// What the present poll's answer says about its Origin.
    var corsHeaders: [(name: String, value: String)] {
        get { polling?.corsHeaders ?? [] }
        set { madePolling.corsHeaders = newValue }
    }

    /// A WebSocket that has not taken over yet.
    var probe: Connection? {
        get { polling?.probe }
        set { if newValue != nil || polling != nil { madePolling.probe = newValue } }
    }

    /// "2probe" was answered: polls are no longer held open.
    var isProbed: Bool {
        get { polling?.isProbed ?? false }
        set { if newValue || polling != nil { madePolling.isProbed = newValue } }
    }

    /// A polling body is being worked through: what a `join` in it leads to waits for its end.
    var isReceiving: Bool {
        get { polling?.isReceiving ?? false }
        set { if newValue || polling != nil { madePolling.isReceiving = newValue } }
    }

    var isPollDirty: Bool {
        get { polling?.isPollDirty ?? false }
        set { if newValue || polling != nil { madePolling.isPollDirty = newValue } }
    }

    /// It was told that its session is over: what it still posts counts, but is answered like the poll.
    var isLastPollRefused: Bool {
        get { polling?.isLastPollRefused ?? false }
        set { madePolling.isLastPollRefused = newValue }
    }

    /// Sequence of the last command handed to a poll's answer; the next poll proves that it arrived.
    var polledSequence: UInt64 {
        get { polling?.polledSequence ?? 0 }
        set { madePolling.polledSequence = newValue }
    }

    // MARK: Packets waiting for a poll

    var queueCount: Int { polling.map { $0.queue.count - $0.queueHead } ?? 0 }
    var queueBytes: Int { polling?.queueBytes ?? 0 }

    func enqueue(_ message: Message) {
        message.retain()
        let polling = madePolling
        polling.queue.append(message)
        polling.queueBytes += message.count
    }

    /// The oldest packet; its reference becomes the caller's.
    func dequeue() -> Message? {
        guard let polling, polling.queueHead < polling.queue.count else { return nil }
        let message = polling.queue[polling.queueHead]
        polling.queueHead += 1
        polling.queueBytes -= message.count
        if polling.queueHead == polling.queue.count {
            polling.queue.removeAll(keepingCapacity: false)
            polling.queueHead = 0
        }
        return message
    }

    func releaseQueue() {
        while let message = dequeue() { message.release() }
    }
}
