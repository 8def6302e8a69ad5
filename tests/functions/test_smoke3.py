import json
def test_x(world):
    key = world.api_key(); H={"authorization":f"Bearer {key}"}
    world.call("subscribe","POST","/s/demo",form=[("email","ann@example.com"),("topics","news")])
    sid=world.subscriber_id("ann@example.com")
    def go(m,u,b=None,**h):
        r=world.call("api",m,u,body=json.dumps(b) if b is not None else None,headers={**H,**h}); print(m,u,r["statusCode"],r["body"][:500]); return r
    ev={"events":[{"event_id":"1","kind":"unsubscribed","email":"ann@example.com","topics":["news"],"occurred_at":"2027-01-15T08:00:00Z"},{"event_id":"2","kind":"claimed","email":"ann@example.com","topics":["news"],"occurred_at":"2027-01-15T08:00:00Z"},{"event_id":"3","kind":"x"},7,{"event_id":"4","kind":"bounced","subscriber_id":sid,"occurred_at":"2029-01-15T08:00:00+02:00"}]}
    go("POST","/v1/events",ev); go("POST","/v1/events",ev)
    go("POST","/v1/events",ev,**{"idempotency-key":"k1"}); go("POST","/v1/events",ev,**{"idempotency-key":"k1"})
    go("POST","/v1/events",{"events":[1]},**{"idempotency-key":"k1"})
    L={"topic":"news","recipients":[{"email":"a@example.com"}]}
    go("POST","/v1/links",L,**{"idempotency-key":"k2"});go("POST","/v1/links",L,**{"idempotency-key":"k2"}); L["topic"]="offers"; go("POST","/v1/links",L,**{"idempotency-key":"k2"})
    go("DELETE","/v1/subscribers/"+sid); go("GET","/v1/subscribers/"+sid+"/ledger"); print([ (i["pk"]["S"],i["sk"]["S"]) for i in world.items()])
    d=json.loads(go("GET","/v1/openapi.json")["body"]); print(d["components"]["schemas"]["Events"], d["components"]["schemas"]["ReportedEvent"]["properties"]["kind"])
    assert 0
