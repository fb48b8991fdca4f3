//! Figures over the API.

use serde_json::{Value, json};

use crate::harness::Server;

/// Somebody writes, waits, and is served by Anna.
async fn a_chat_is_served(server: &Server) {
    let anna = server.sign_in("anna").await;
    let mut desk = anna.events().await;
    anna.desk(json!({"command": "set_status", "status": {"state": "ready"}})).await;
    let (mut widget, _) = server.browser().widget(json!({})).await;
    widget.say(json!({"type": "send", "id": "1", "text": "Hello"})).await;
    widget.until("the question", |frame| frame["message"]["buttons"].is_array()).await;
    widget.say(json!({"type": "send", "id": "2", "text": "Поддержка"})).await;
    let offered = |event: &Value| event["desk"]["offers"][0]["offer"].is_string();
    let (_, shown) = desk.until("an offer", offered).await;
    let offer = &shown["desk"]["offers"][0];
    anna.desk(json!({"command": "accept", "offer": offer["offer"]})).await;
    anna.desk(json!({"command": "close_chat", "session": offer["session"]})).await;
    let wrapped =
        json!({"command": "finish_wrap_up", "session": offer["session"], "disposition": null, "note": null});
    anna.desk(wrapped).await;
}

#[tokio::test]
async fn the_report_the_table_and_the_wallboard_say_the_same_after_a_restart_too() {
    let server = Server::start().await;
    a_chat_is_served(&server).await;
    let mut before = Value::Null;
    let mut server = server;
    for restarted in [false, true] {
        let admin = server.sign_in("admin").await;
        let operator = server.sign_in("anna").await;
        assert_eq!(operator.get("/api/v1/wallboard").await.status, 403);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let to = now.as_micros() as i64 + 60_000_000;
        let path = format!("/api/v1/reports?from={}&to={to}", to - 7_200_000_000);
        assert_eq!(operator.get(&path).await.status, 403);
        let rows = admin.get(&format!("{path}&by=queue")).await.json()["rows"].clone();
        assert_eq!(rows[0]["queue"], "support", "{rows}");
        for (figure, count) in [("offered", 1), ("answered", 1), ("answered_in_time", 1), ("waiting", 0)] {
            assert_eq!(rows[0][figure], count, "{figure} in {rows}");
        }
        assert_eq!((&rows[0]["handled"], &rows[0]["service_level_of_offered"]), (&json!(1), &json!(1.0)));
        let by_agent = admin.get(&format!("{path}&by=agent&interval=hour")).await.json()["rows"].clone();
        assert_eq!(by_agent[0]["name"], operator.get("/api/v1/me").await.json()["name"], "{by_agent}");
        assert_eq!((&by_agent[0]["handled"], &by_agent[0]["rung"]), (&json!(1), &json!(1)));
        assert!(by_agent[0]["occupancy"].is_number(), "{by_agent}");
        let table = admin.get(&format!("{path}&by=queue&format=csv")).await;
        assert!(table.header("content-type").is_some_and(|kind| kind.starts_with("text/csv")));
        let lines: Vec<&str> = table.text.lines().collect();
        assert!(lines[0].starts_with("from,queue,agent,medium,offered,"), "{}", lines[0]);
        assert!(lines[1].contains(",support,,,1,1,1,0,"), "{}", lines[1]);

        let wallboard = loop {
            // After a restart the day is read from the journal first.
            let wallboard = admin.get("/api/v1/wallboard").await.json();
            if wallboard["today"]["offered"] == 1 {
                break wallboard;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        };
        let queue = &wallboard["queues"][0];
        assert_eq!(
            (&queue["name"], &queue["today"]["answered"]),
            (&json!("support"), &json!(1)),
            "{wallboard}"
        );
        if restarted {
            assert_eq!(rows, before, "what is counted stays so");
            assert_eq!(wallboard["agents"], json!({"idle": 0, "busy": 0, "away": 0}), "nobody is there");
        }
        before = rows;
        if !restarted {
            server = server.restart().await;
        }
    }
}

#[tokio::test]
async fn a_report_of_too_much_is_refused_with_the_field_named() {
    let server = Server::start().await;
    let admin = server.sign_in("admin").await;
    for (query, field) in
        [("from=0&to=9000000000000000", "to"), ("from=5&to=4", "to"), ("from=0&to=900000000&by=moon", "by")]
    {
        let answer = admin.get(&format!("/api/v1/reports?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.error().1.as_deref(), Some(field), "{query}");
    }
}
