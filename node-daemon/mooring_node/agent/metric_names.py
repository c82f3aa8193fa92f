"""Every metric of the daemon: docs/reference/metrics.md shows this table, and nothing is exported beside it. Pure.

No label is called as a target of Prometheus is (`instance`, `job`, `node`, `namespace`, `pod`, `service`, `endpoint`):
it would be renamed at each scrape. No label has a value that a stranger chooses.
"""

from enum import Enum

from mooring_api.metric import MetricName, MetricType, Stability

_GAUGE, _COUNTER, _HISTOGRAM = MetricType.GAUGE, MetricType.COUNTER, MetricType.HISTOGRAM
_YES = "0 or 1"
_GROUP = ("virtual_ip", "group")
_INSTANCE = (*_GROUP, "vrrp_instance")
_SERVER = ("server", "family")
_SERVICE = ("server", "virtual_service")
_BACKEND = (*_SERVICE, "backend")
_DIRECTED = "direction"
_READ = "read each 30 s"


class NodeMetric(Enum):
    """By subject, in the order of the page."""

    INFO = MetricName(
        "mooring_node_info", MetricType.INFO, "1", "The daemon, and its Node's name", ("version", "node_name")
    )

    VRRP_UP = MetricName("mooring_vrrp_up", _GAUGE, _YES, "1 while the VRRP process answers")
    STATE = MetricName("mooring_vrrp_state", _GAUGE, "state", "0 Initialize, 1 Backup, 2 Active, 3 Fault", _GROUP)
    ACTIVE_HEARD = MetricName(
        "mooring_vrrp_active_heard",
        _GAUGE,
        _YES,
        "1 while this node is Active in the group or hears one that is, with an address of the group in its adverts",
        _GROUP,
    )
    PRIORITY = MetricName("mooring_vrrp_priority", _GAUGE, "1 to 255", "The priority that is advertised", _GROUP)
    TRANSITIONS = MetricName("mooring_vrrp_transitions_total", _COUNTER, "changes", "Changes of state", _GROUP)
    HELD = MetricName("mooring_addresses_held", _GAUGE, "addresses", "Addresses that this node holds", _GROUP)
    TRACKED = MetricName(
        "mooring_vrrp_tracked",
        _GAUGE,
        _YES,
        "1 while a virtual server that the group tracks is good",
        (*_GROUP, "server"),
    )
    ADVERTS_SENT = MetricName(
        "mooring_vrrp_adverts_sent_total", _COUNTER, "adverts", "Adverts said as Active", _INSTANCE
    )
    RELEASES_SENT = MetricName(
        "mooring_vrrp_releases_sent_total", _COUNTER, "adverts", "Adverts of priority 0, said when leaving", _INSTANCE
    )
    ADVERTS_RECEIVED = MetricName(
        "mooring_vrrp_adverts_received_total", _COUNTER, "adverts", "Adverts accepted", _INSTANCE
    )
    ADVERTS_FOREIGN = MetricName(
        "mooring_vrrp_adverts_foreign_total",
        _COUNTER,
        "adverts",
        "Adverts accepted that list no address of the instance: somebody else has its virtual router ID",
        _INSTANCE,
    )
    SEND_ERRORS = MetricName(
        "mooring_vrrp_send_errors_total", _COUNTER, "packets", "Packets that the kernel refused to send", _INSTANCE
    )
    ANNOUNCEMENTS = MetricName(
        "mooring_announcements_sent_total", _COUNTER, "frames", "Gratuitous ARP and unsolicited NA frames", _INSTANCE
    )
    ADVERTS_REFUSED = MetricName(
        "mooring_vrrp_adverts_refused_total",
        _COUNTER,
        "adverts",
        "Adverts discarded, by reason; of no instance, where nobody here has their virtual router ID",
        (*_INSTANCE, "reason"),
    )
    LATENESS = MetricName(
        "mooring_vrrp_lateness_seconds", _HISTOGRAM, "seconds", "How long after its time the VRRP process's loop woke"
    )
    SCHEDULING = MetricName(
        "mooring_vrrp_scheduling",
        _GAUGE,
        "kind",
        "0 normal, 1 nice (real-time was refused), 2 real-time, 3 normal as it was wanted (--real-time-priority 0)",
    )
    FOREIGN = MetricName("mooring_foreign_routers", _GAUGE, "routers", "VRRP routers heard whose VRID is nobody's here")
    MAINTENANCE = MetricName("mooring_maintenance", _GAUGE, _YES, "1 in maintenance")

    CHECKS_UP = MetricName("mooring_checks_up", _GAUGE, _YES, "1 while the checks process answers")
    BALANCE_GENERATION = MetricName(
        "mooring_balance_generation",
        _GAUGE,
        "number",
        "What is balanced: counts accepted configurations; 0: none is taken up",
    )
    BALANCE_PROBLEMS = MetricName(
        "mooring_balance_problems", _GAUGE, "problems", "What keeps something from being balanced as it is configured"
    )
    QUORUM = MetricName("mooring_server_quorum", _GAUGE, _YES, "1 while there is a quorum of backends", _SERVER)
    SORRY = MetricName("mooring_server_sorry", _GAUGE, _YES, "1 while the sorry server answers", _SERVER)
    BACKENDS = MetricName(
        "mooring_server_backends", _GAUGE, "backends", "Backends by state: up, down, draining", (*_SERVER, "state")
    )
    SERVICE_CONNECTIONS = MetricName(
        "mooring_ipvs_service_connections_total",
        _COUNTER,
        "connections",
        f"Connections of a service, {_READ}",
        _SERVICE,
    )
    SERVICE_PACKETS = MetricName(
        "mooring_ipvs_service_packets_total",
        _COUNTER,
        "packets",
        f"Packets of a service, {_READ}",
        (*_SERVICE, _DIRECTED),
    )
    SERVICE_BYTES = MetricName(
        "mooring_ipvs_service_bytes_total", _COUNTER, "bytes", f"Bytes of a service, {_READ}", (*_SERVICE, _DIRECTED)
    )
    SERVICE_CONNECTION_RATE = MetricName(
        "mooring_ipvs_service_connection_rate",
        _GAUGE,
        "connections a second",
        f"As the kernel estimates it, {_READ}",
        _SERVICE,
        Stability.BETA,
    )
    SERVICE_PACKET_RATE = MetricName(
        "mooring_ipvs_service_packet_rate",
        _GAUGE,
        "packets a second",
        f"As the kernel estimates it, {_READ}",
        (*_SERVICE, _DIRECTED),
        Stability.BETA,
    )
    SERVICE_BYTE_RATE = MetricName(
        "mooring_ipvs_service_byte_rate",
        _GAUGE,
        "bytes a second",
        f"As the kernel estimates it, {_READ}",
        (*_SERVICE, _DIRECTED),
        Stability.BETA,
    )
    BACKEND_CONNECTIONS = MetricName(
        "mooring_ipvs_backend_connections_total",
        _COUNTER,
        "connections",
        f"Connections of a backend, {_READ}",
        _BACKEND,
    )
    BACKEND_PACKETS = MetricName(
        "mooring_ipvs_backend_packets_total",
        _COUNTER,
        "packets",
        f"Packets of a backend, {_READ}",
        (*_BACKEND, _DIRECTED),
    )
    BACKEND_BYTES = MetricName(
        "mooring_ipvs_backend_bytes_total", _COUNTER, "bytes", f"Bytes of a backend, {_READ}", (*_BACKEND, _DIRECTED)
    )
    BACKEND_CONNECTION_RATE = MetricName(
        "mooring_ipvs_backend_connection_rate",
        _GAUGE,
        "connections a second",
        f"As the kernel estimates it, {_READ}",
        _BACKEND,
        Stability.BETA,
    )
    BACKEND_PACKET_RATE = MetricName(
        "mooring_ipvs_backend_packet_rate",
        _GAUGE,
        "packets a second",
        f"As the kernel estimates it, {_READ}",
        (*_BACKEND, _DIRECTED),
        Stability.BETA,
    )
    BACKEND_BYTE_RATE = MetricName(
        "mooring_ipvs_backend_byte_rate",
        _GAUGE,
        "bytes a second",
        f"As the kernel estimates it, {_READ}",
        (*_BACKEND, _DIRECTED),
        Stability.BETA,
    )
    WEIGHT = MetricName("mooring_ipvs_backend_weight", _GAUGE, "weight", "Weight in the kernel's table", _BACKEND)
    OPEN_CONNECTIONS = MetricName(
        "mooring_ipvs_backend_open_connections",
        _GAUGE,
        "connections",
        "Connections now: active (established), inactive, and templates of persistence",
        (*_BACKEND, "state"),
    )
    CHECK_TARGETS = MetricName(
        "mooring_check_targets",
        _GAUGE,
        "targets",
        "What is checked: a check of a backend counts once, whoever asks for it",
    )
    CHECK_DURATION = MetricName(
        "mooring_check_duration_seconds", _HISTOGRAM, "seconds", "How long tries took", ("kind",)
    )
    CHECK_FAILURES = MetricName(
        "mooring_check_failures_total", _COUNTER, "tries", "Tries that failed", ("kind", "reason")
    )
    CHECK_LATENESS = MetricName(
        "mooring_check_lateness_seconds", _HISTOGRAM, "seconds", "How long after its time a try began"
    )
    CHECKS_WITHHELD = MetricName(
        "mooring_check_results_withheld_total",
        _COUNTER,
        "tries",
        "Tries that say nothing of a backend: this node itself failed",
    )
    IPVS_WRITES = MetricName("mooring_ipvs_writes_total", _COUNTER, "messages", "Messages to the kernel's table")
    IPVS_DRIFT = MetricName(
        "mooring_ipvs_drift_total",
        _COUNTER,
        "entries",
        "Entries of ours that somebody else had changed, and that were put right",
    )
    IPVS_REFUSED = MetricName(
        "mooring_ipvs_refused", _GAUGE, "entries", "What the kernel's table lacks at present, by trouble", ("trouble",)
    )
    GUARD_PACKETS = MetricName(
        "mooring_port_guard_packets_total",
        _COUNTER,
        "packets",
        "Packets to ports on which no virtual server answers",
        ("address", "mode"),
    )
    GUARD_BYTES = MetricName(
        "mooring_port_guard_bytes_total", _COUNTER, "bytes", "The same in bytes", ("address", "mode")
    )

    CONFIGURATION_GENERATION = MetricName(
        "mooring_configuration_generation", _GAUGE, "number", "Counts accepted configurations"
    )
    CONFIGURATION_AGE = MetricName(
        "mooring_configuration_age_seconds", _GAUGE, "seconds", "Since the configuration that runs was accepted"
    )
    CONFIGURATION_PROBLEMS = MetricName(
        "mooring_configuration_problems", _GAUGE, "problems", "What is wrong with the newest configuration"
    )
    CONFLICTS = MetricName(
        "mooring_address_conflicts_total", _COUNTER, "claims", "Claims of held addresses by another MAC"
    )
    API_CONNECTED = MetricName("mooring_api_connected", _GAUGE, _YES, "1 while a watch is open", ("watch",))
    WATCH_RESTARTS = MetricName(
        "mooring_api_watch_restarts_total", _COUNTER, "watches", "Watches that were begun again, for whatever reason"
    )
    STATUS_WRITES = MetricName(
        "mooring_status_writes_total", _COUNTER, "writes", "Writes of the NodeConfig's status", ("result",)
    )
    NODECONFIG_PRESENT = MetricName(
        "mooring_nodeconfig_present", _GAUGE, _YES, "1 while there is a NodeConfig of this node"
    )
    NODECONFIG_GENERATION = MetricName(
        "mooring_nodeconfig_generation", _GAUGE, "number", "Generation of the NodeConfig that was read"
    )
    NODECONFIG_OBSERVED = MetricName(
        "mooring_nodeconfig_observed_generation",
        _GAUGE,
        "number",
        "Generation of the NodeConfig that the VRRP process runs; 0: none is confirmed",
    )
    CREDENTIALS_MISSING = MetricName(
        "mooring_credentials_missing", _GAUGE, "Secrets", "Secrets that give this node no key"
    )
