// The native dialect: one JSON object a text message on a WebSocket at /link.
//
// Loop thread. Decides how a native upgrade is admitted and how its messages become events. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension Shard {
    static let subprotocol = "linkrelay.v1"

    func upgradeNative(_ connection: Connection) {
        let source = source(of: connection)
        guard admits(connection, source) != nil else { return }
        let address = source.address
        guard shared.addresses.enter(address) else {
            counters.refuse(.connectionsPerAddress)
            recordRefusal(.connectionsPerAddress, address: address)
            return refuse(connection, status: 429, .connectionsPerAddress, "Too many connections from this address.")
        }
        let offered = connection.header("sec-websocket-protocol") ?? ""
        let speaksOurs = offered.split(whereSeparator: { $0 == "," || $0 == " " }).contains { $0 == Self.subprotocol }
        let session = Session(serial: takeSerial(), address: address, openedMs: nowMs, engine: nil)
        if let header = connection.header("authorization"), let blank = header.firstIndex(of: " "),
            header[..<blank].lowercased() == "bearer"
        {
            session.presetCredential = JoinCredential(parsing: header[header.index(after: blank)...].utf8)
        }
        let accepted = connection.upgrade(
            subprotocol: speaksOurs ? Self.subprotocol : nil, messageCeiling: limits.greetingMessageBytes, limits: limits)
        guard accepted else { return shared.addresses.leave(address) }
        connection.setSession(session)
        session.connection = connection
        register(session)
        counters.sessionsOpened &+= 1
        startHeartbeat(session)
        schedule(inMs: limits.greetingMs, .greeting(session.serial))
    }

    func startHeartbeat(_ session: Session) {
        guard let connection = session.connection else { return }
        // An Engine.IO extension's pings are counted here (DeliveryLog), so the engine only watches for silence.
        let countsPings = session.engine != nil && session.role == .sd
        let ping = session.engine == nil ? frames?.nativePing : countsPings ? nil : frames?.enginePing
        connection.setHeartbeat(
            intervalMs: session.engine?.heartbeatIntervalMs ?? limits.heartbeatIntervalMs,
            timeoutMs: session.engine?.heartbeatTimeoutMs ?? limits.heartbeatTimeoutMs, ping: ping)
    }

    @inline(__always)
    func nativeMessage(_ session: Session, _ bytes: UnsafeRawBufferPointer) {
        let message: NativeMessage
        do throws(NativeError) {
            message = try NativeDialect.decode(bytes.bytes, maxDepth: limits.jsonDepth)
        } catch {
            return refuse(session, .malformed, error.sentence, ack: nil)
        }
        guard let event = message.event else {
            return refuse(session, .unknownEvent, "There is no such event; see PROTOCOL.md.", ack: AckReference(bytes, message.ack))
        }
        dispatch(
            session,
            Inbound(
                event, in: bytes, data: message.data, string: message.dataString, fields: message.fields, ack: message.ack, plainID: plainID))
    }
}

extension UnsafeRawBufferPointer {
    /// The bytes of a range that a codec found in this buffer; empty if it does not lie within.
    @inline(__always)
    subscript(_ range: ByteRange) -> UnsafeRawBufferPointer {
        let start = Int(range.start)
        let end = Int(range.end)
        guard start < end, end <= count else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(rebasing: self[start..<end])
    }
}
