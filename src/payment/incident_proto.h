/*
 * Incidents in the words of the contract.
 */
#pragma once

#include "dues/payment/v1/payment_service.pb-c.h"
#include "payment/incident.h"

void incident_to_proto(struct arena *arena, const struct incident *incident,
                       Dues__Payment__V1__Incident *proto);

/* NULL for UNSPECIFIED. */
const char *incident_state_asked(Dues__Payment__V1__Incident__State state);
const char *incident_kind_asked(Dues__Payment__V1__Incident__Kind kind);

enum incident_resolution
incident_resolution_asked(Dues__Payment__V1__Incident__Resolution resolution);

/* As the incident shows it. */
const char *incident_etag(struct arena *arena, int64_t version);
