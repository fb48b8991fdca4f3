//! Connections that must show that they are there, and pongs on ours.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_flow_that_misses_its_keep_alive_is_cut_and_one_that_keeps_it_is_not() {
    let world = World::start().await;
    let mut phone = TcpStream::connect(world.address(Transport::Tcp)).await.unwrap();
    phone.write_all(OPTIONS).await.unwrap();
    let (hop, _) = world.packet().await;
    world.network.watch(hop.connection.unwrap(), Some(Duration::from_secs(40)));
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(35)).await;
        phone.write_all(b"\r\n\r\n").await.unwrap();
        phone.read_exact(&mut [0; 2]).await.unwrap();
    }
    let silent = tokio::time::Instant::now();
    assert_eq!(phone.read(&mut [0; 10]).await.unwrap(), 0);
    let waited = silent.elapsed();
    assert!((Duration::from_secs(39)..Duration::from_secs(42)).contains(&waited), "{waited:?}");
    world.closed().await;
}

#[tokio::test]
async fn the_answer_to_a_ping_of_ours_goes_up_and_says_nothing_against_its_sender() {
    let world = World::start().await;
    let carrier = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let local = world.address(Transport::Tcp);
    let remote = carrier.local_addr().unwrap();
    let hop = Hop { transport: Transport::Tcp, local, remote, connection: None };
    world.network.transmit(hop, Arc::from(&b"\r\n\r\n"[..]));
    let (mut stream, _) = carrier.accept().await.unwrap();
    stream.read_exact(&mut [0; 4]).await.unwrap();
    // More of them than a stranger may send at all.
    for _ in 0..500 {
        stream.write_all(b"\r\n").await.unwrap();
        let (back, bytes) = world.packet().await;
        assert_eq!((Hop { connection: None, ..back }, bytes), (hop, b"\r\n".to_vec()));
    }
    // What a phone sends alone on its own connection is nothing.
    let mut phone = TcpStream::connect(local).await.unwrap();
    phone.write_all(b"\r\n").await.unwrap();
    phone.write_all(OPTIONS).await.unwrap();
    assert_eq!(world.packet().await.1, OPTIONS);
}
