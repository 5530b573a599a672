use base64::{engine::general_purpose::STANDARD, Engine};
use peergate_client::apis::configuration::Configuration;
use peergate_client::apis::{access_api, direct_messages_api, messages_api, node_api, topics_api, Error};
use peergate_client::models::token_input::Actions;
use peergate_client::models::{
    AddressedPayload, AddressedPayloadList, DirectPayload, Encoding, Payload, Problem, Published, RetentionInput, TokenInput,
    TopicJoin,
};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut peergate = Configuration::new();
    peergate.base_path = arguments.next().ok_or("the first argument is the gateway")?;
    peergate.bearer_access_token = arguments.next();

    let node = node_api::get_node(&peergate).await?;

    let retention = RetentionInput {
        max_messages: Some(Some(100)),
        max_bytes: Some(Some(9_007_199_254_740_991)),
        ..Default::default()
    };
    let join = TopicJoin { retention: Some(Box::new(retention)) };
    let topic = topics_api::join_topic(&peergate, "orders", Some(join)).await?;

    let hello = Payload::new(Some("hello".into()));
    let published = messages_api::publish_to_topic(&peergate, "orders", hello, None, None, None).await?;

    let several = ["one", "two"].map(|data| AddressedPayload::new(Some(data.into()), "orders".into()));
    let list = AddressedPayloadList::new(several.into());
    let listed = messages_api::publish_messages(&peergate, list, None, None, None).await?;

    // The generated function takes only JSON; the client of the configuration sends bytes.
    let binary: Published = peergate
        .client
        .post(format!("{}/v1/topics/orders/messages", peergate.base_path))
        .bearer_auth(peergate.bearer_access_token.as_deref().unwrap_or_default())
        .header("content-type", "application/octet-stream")
        .body(vec![0, 255, 10])
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    let bytes = messages_api::get_message_data(&peergate, &binary.id).await?.bytes().await?;

    let order = Payload { encoding: Some(Encoding::Json), ..Payload::new(Some(json!({ "order": 17 }))) };
    messages_api::publish_to_topic(&peergate, "orders", order, None, None, None).await?;

    let mut history = vec![];
    let mut after = "earliest".to_string();
    loop {
        let page = messages_api::list_topic_messages(
            &peergate, "orders", Some(&after), None, None, None, None, None, Some(2), None, Some(Encoding::Json), None,
        )
        .await?;
        history.push(page.items.into_iter().map(|message| message.data).collect::<Vec<_>>());
        if page.caught_up {
            break;
        }
        after = page.newer;
    }

    let outgoing = DirectPayload { expires_in_ms: Some(60_000), ..DirectPayload::new(Some("hello".into())) };
    let peer_id = "12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu";
    let sent = direct_messages_api::send_to_peer(&peergate, peer_id, outgoing, None).await?;
    let cancelled = direct_messages_api::cancel_delivery(&peergate, &sent.id).await?;

    let rights = TokenInput { topics: Some(vec!["orders".into()]), ..TokenInput::new("tour".into(), vec![Actions::Read]) };
    let created = access_api::create_token(&peergate, rights, None).await?;

    let refused = match topics_api::get_topic(&peergate, "nobody").await {
        Err(Error::ResponseError(response)) => response,
        other => return Err(format!("an unknown topic answered {other:?}").into()),
    };
    // The generated enumeration of errors has the first variant that fits, whatever the status.
    let problem: Problem = serde_json::from_str(&refused.content)?;

    let seen = json!({
        "node": { "peerId": node.peer_id, "maxMessageBytes": node.limits["maxMessageBytes"] },
        "retention": topic.retention,
        "published": published.id,
        "listed": listed.items.into_iter().map(|item| item.id).collect::<Vec<_>>(),
        "bytes": STANDARD.encode(bytes),
        "history": history,
        "delivery": { "to": sent.to, "state": cancelled.state },
        "token": { "name": created.name, "actions": created.actions, "expiresAt": created.expires_at },
        "refused": { "status": refused.status.as_u16(), "code": problem.code },
    });
    println!("{seen}");
    Ok(())
}
