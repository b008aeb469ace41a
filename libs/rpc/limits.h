// The limits and header names of our gRPC, both sides.
#ifndef FETTLE_LIBS_RPC_LIMITS_H_
#define FETTLE_LIBS_RPC_LIMITS_H_

namespace fettle::rpc {

// Largest message: a partner's whole body (1 MB) and room for the fields around it.
inline constexpr int kMessageBytesMax = 1'200'000;
// A call without a deadline gets this one; a later one is brought forward to it.
inline constexpr int kCallMsMax = 30'000;
// Client pings on busy connections, and what the server allows (two thirds of it).
inline constexpr int kKeepaliveMs = 30'000;
inline constexpr int kKeepaliveTimeoutMs = 10'000;
inline constexpr int kKeepaliveMinMs = 20'000;
inline constexpr int kReconnectMinMs = 100;
inline constexpr int kReconnectMaxMs = 1'000;
// Waits of a stop: calls under way, then the rest is cancelled.
inline constexpr int kShutdownMsMax = 2'500;

// Lines of the log that callers can cause without getting in; the next line says how many were left
// out.
inline constexpr int kGrpcLogLinesPerSecondMax = 10;
inline constexpr int kTurnedAwayLinesPerSecondMax = 10;

// Answers that repeat the first answer to the same request id carry this.
inline constexpr char kReplayedHeader[] = "fettle-replayed";
inline constexpr char kCorrelationIdHeader[] = "fettle-correlation-id";

}  // namespace fettle::rpc

#endif  // FETTLE_LIBS_RPC_LIMITS_H_
