// `/api/link/approvals`: extensions that wait for their owner's word, and the word.
//
// Any thread. Only for the relay's own page and for tokens: a page of another origin could let in whom it likes.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension RestAPI {
    func approvals(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        let user = try await ownPageOrToken(call)
        return call.method == .post ? try await decide(call, user) : try await listApplicants(user)
    }

    /// `GET`: `[{id, number, name, from, at}]`, the oldest of each link first.
    private func listApplicants(_ user: UserID) async throws(RestFailure) -> HTTPResponse {
        let waiting: [(id: InstanceID, applicants: [Applicant])]
        do { waiting = try await keys.applicants(of: user) } catch { throw failure(error) }
        return .json(
            .array(
                waiting.flatMap { link in
                    link.applicants.map { one in
                        [
                            "id": .int(link.id.rawValue), "number": .string(String(one.number)), "name": .text(one.name),
                            "from": .string(one.from), "at": .time(one.at),
                        ]
                    }
                }))
    }

    /// `POST {id, number, approve}`: the extension gets its key at once, or is refused and may not ask again with this code.
    private func decide(_ call: RestCall, _ user: UserID) async throws(RestFailure) -> HTTPResponse {
        let body = try call.body()
        guard let id = try FieldRules.optionalID(body) else { throw RestFailure(.invalidID) }
        guard let number = body["number"]?.stringValue.flatMap({ UInt64($0) }), case .bool(let isApproved)? = body["approve"] else {
            throw RestFailure(.invalidApproval)
        }
        do throws(KeyError) {
            try await keys.decide(number, of: id, by: user, isApproved: isApproved)
        } catch {
            if case .notFound = error { throw RestFailure(.noSuchApplicant) }
            throw failure(error)
        }
        log.write(
            .notice, isApproved ? "extension_approved" : "extension_refused",
            ["instance": .int(id.rawValue), "user": .int(user.rawValue), "session": .int(Int64(clamping: number))])
        return .json(["success": true])
    }
}
