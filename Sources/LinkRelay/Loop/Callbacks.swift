// Where the engine calls into the relay: one context-free function per event, straight to the loop's shard.
//
// Loop thread. Nothing is decided here. The context is a one-word box holding an unretained shard, filled before the
// loop runs and alive until it has ended. SPDX-License-Identifier: Apache-2.0

import CWebSocket

/// The word that callbacks find their shard in.
final class ShardBox {
    var shard: Unmanaged<Shard>?
}

@inline(__always)
private func withShard(_ context: UnsafeMutableRawPointer?, _ body: (Shard) -> Void) {
    guard let context else { return }
    Unmanaged<ShardBox>.fromOpaque(context)._withUnsafeGuaranteedRef { box in
        box.shard?._withUnsafeGuaranteedRef(body)
    }
}

@inline(__always)
private func withSession(_ user: UnsafeMutableRawPointer?, _ body: (Session) -> Void) {
    guard let user else { return }
    Unmanaged<Session>.fromOpaque(user)._withUnsafeGuaranteedRef(body)
}

enum Callbacks {
    static func make() -> cws_handlers {
        cws_handlers(
            on_head: { context, c, skip in
                var ceiling: UInt64 = 0
                withShard(context) { shard in
                    let (bytes, skips) = shard.bodyCeiling(Connection(raw: c))
                    ceiling = bytes
                    skip.pointee = skips
                }
                return ceiling
            },
            on_request: { context, c in withShard(context) { $0.onRequest(Connection(raw: c)) } },
            on_message: { context, c, user, opcode, bytes, count in
                withShard(context) { shard in
                    withSession(user) { session in
                        shard.onMessage(
                            session, Connection(raw: c), isText: opcode == CWS_TEXT,
                            UnsafeRawBufferPointer(start: bytes, count: count))
                    }
                }
            },
            on_skipped: { context, c, user, size, prefix, count in
                withShard(context) { shard in
                    withSession(user) { session in
                        shard.onSkipped(session, size: size, prefix: UnsafeRawBufferPointer(start: prefix, count: count))
                    }
                }
            },
            on_pong: { context, c, user, bytes, count in
                withShard(context) { shard in
                    withSession(user) { shard.onWebSocketPong($0, UnsafeRawBufferPointer(start: bytes, count: count)) }
                }
            },
            on_drained: { context, c, user in
                withShard(context) { shard in withSession(user) { shard.onDrained($0) } }
            },
            on_adopted: { context, c, user in withShard(context) { $0.onAdopted(Connection(raw: c)) } },
            on_overdue: { context, c, user in
                withShard(context) { shard in
                    let connection = Connection(raw: c)
                    withSession(user) { shard.onOverdue($0, connection) }
                    if user == nil { connection.abortLocally() }
                }
            },
            on_closed: { context, c, user, reason, code in
                withShard(context) { shard in
                    let connection = Connection(raw: c)
                    withSession(user) { shard.onClosed($0, connection, Ending(reason: reason, code: code)) }
                    connection.setSession(nil)
                }
            },
            trusts_proxy: { context, address in
                var isTrusted = false
                withShard(context) { isTrusted = $0.shared.trusts(PeerAddress(address.pointee)) }
                return isTrusted
            },
            on_alarm: { context in withShard(context) { $0.onAlarm() } },
            on_turn_end: { context in withShard(context) { $0.onTurnEnd() } })
    }
}

/// How a connection ended, in the engine's words.
struct Ending {
    /// The metric label of the engine's reason.
    let name: String
    /// The peer said goodbye: a close frame with 1000, 1001 or no code.
    let isClean: Bool
    /// The peer sent a close frame, be it of its own or as the answer to the relay's: it has heard what was sent before.
    let hasHeardAll: Bool
    /// The peer's close code; 1006 without a close frame.
    let code: UInt16

    init(reason: cws_reason, code: UInt16) {
        name = String(cString: cws_reason_name(reason))
        let isGoodbye = reason == CWS_R_PEER_CLOSE_FRAME
        hasHeardAll = isGoodbye || (reason == CWS_R_LOCAL_CLOSE && code != 1006)
        isClean = isGoodbye && (code == 1000 || code == 1001 || code == 1005)
        self.code = code
    }
}
