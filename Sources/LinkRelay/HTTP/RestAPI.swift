// The REST surface and the page: takes a request as a value, gives an answer as a value; everything over HTTP except the
// Engine.IO endpoint and the WebSocket.
//
// Any thread, no state of its own but counters and the cached readiness. Must never let a fault of the store look like a
// statement about a key or a sign-in. SPDX-License-Identifier: Apache-2.0

package final class RestAPI: Sendable {
    let keys: KeyService
    let accounts: Accounts
    let rooms: any RoomControl
    let origins: OriginPolicy
    let site: StaticSite
    let log: Log
    package let counters: RestCounters
    let probe: ReadinessProbe
    let store: any LinkStore
    /// The operator's; owners decide on top of it.
    let policy: CommandPolicy

    /// Users whom somebody else has signed in.
    let outside: OutsideAccounts

    /// - Parameter monotonic: milliseconds of a clock that never jumps; ages the readiness answer.
    package init(
        keys: KeyService, accounts: Accounts, rooms: any RoomControl, store: any LinkStore, origins: OriginPolicy,
        site: StaticSite, log: Log, counters: RestCounters = RestCounters(),
        policy: CommandPolicy = CommandPolicy(), outside: OutsideAccounts = OutsideAccounts(), monotonic: @escaping @Sendable () -> Int64
    ) {
        self.keys = keys
        self.accounts = accounts
        self.rooms = rooms
        self.origins = origins
        self.site = site
        self.log = log
        self.counters = counters
        self.store = store
        self.policy = policy
        self.outside = outside
        probe = ReadinessProbe(store: store, monotonic: monotonic)
    }

    /// Answers any request; bodies arrive within the ceiling of the engine (64 KiB). Never throws, never hangs on a peer or a disk.
    ///
    /// Content-Length, Date and Connection are added by whoever writes the answer, who also omits the body for HEAD.
    package func respond(to request: HTTPRequest) async -> HTTPResponse {
        let route = Route.at(request.path, of: site)
        let verdict = CrossOrigin.verdict(on: request, by: origins)
        counters.count(route)
        var response =
            route?.mayAskStore ?? false
            ? await AnswerDeadline.first(within: .milliseconds(StoreRules.answerMilliseconds)) {
                await self.answerOrRefuse(request, route: route, verdict: verdict)
            } otherwise: {
                self.refusal(self.unavailable(StoreError(.busy, "no answer in time; the change may still happen")), request)
            } : await answerOrRefuse(request, route: route, verdict: verdict)
        CrossOrigin.finish(&response, route: route, verdict: verdict)
        return response
    }

    private func answerOrRefuse(_ request: HTTPRequest, route: Route?, verdict: OriginPolicy.Verdict) async -> HTTPResponse {
        do { return try await answer(request, route: route, verdict: verdict) } catch { return refusal(error, request) }
    }

    private func refusal(_ failure: RestFailure, _ request: HTTPRequest) -> HTTPResponse {
        counters.count(failure.refusal)
        note(failure.refusal, request)
        return failure.response
    }

    /// What the operator can act on goes to the log; wrong ids and bad JSON are only counted.
    private func note(_ refusal: RestRefusal, _ request: HTTPRequest) {
        switch refusal {
        case .unknownHost, .originRefused, .crossSite, .badToken, .missingScope, .badTicket, .unusableUser:
            log.write(.info, "rest_refused", ["reason": .string(refusal.rawValue), "peer": .string(request.remote.description)])
        case .providerUnavailable: log.write(.warning, "provider_unavailable", [:])
        default: break
        }
    }

    /// A fault of the store, logged; the caller gets 503 and comes back.
    func unavailable(_ error: StoreError) -> RestFailure {
        log.write(.error, "rest_store_failed", ["kind": .string(error.kind.rawValue), "detail": .string(error.detail)])
        return RestFailure(.storeUnavailable)
    }

    /// What a refusal of the key service is over HTTP.
    func failure(_ error: KeyError) -> RestFailure {
        switch error {
        case .store(let fault): return unavailable(fault)
        case .notFound: return RestFailure(.noSuchInstance)
        case .unavailable:
            log.write(.error, "rest_keys_failed", [:])
            return RestFailure(.keysUnavailable)
        case .limitReached(let count, let limit):
            var failure = RestFailure(.instanceLimit)
            failure.details = [("instanceCount", .int(Int64(count))), ("instanceLimit", .int(Int64(limit)))]
            return failure
        }
    }
}
